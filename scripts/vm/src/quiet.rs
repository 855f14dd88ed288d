//! No device is at work when the next kernel is entered: the virtio devices of the machine have no driver
//! any more, so none of them writes to memory.

use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};

use crate::ending::{Ending, Outside};

/// What Xen says when it is about to enter the image. The next kernel has a driver for a device seconds later.
const BEGINS: &str = "(XEN) Executing kexec image";

/// One machine's way from kernel to kernel.
pub struct Quiet {
    /// The kernel with which it ends.
    last: u32,
    /// How many devices were asked since the last one began.
    asked: usize,
}

impl Quiet {
    pub fn new(last: u32) -> Self {
        Self { last, asked: 0 }
    }
}

impl Ending for Quiet {
    fn line(&mut self, line: &str, outside: &mut Outside<'_>) -> Result<()> {
        if !line.contains(BEGINS) {
            return Ok(());
        }
        let qmp = &mut outside.vm.qmp;
        let devices = qmp.execute("x-query-virtio", json!({}))?;
        for device in devices.as_array().context("no list of virtio devices")? {
            let status = qmp.execute("x-query-virtio-status", json!({"path": device["path"]}))?;
            expect_quiet(&status).with_context(|| device["name"].to_string())?;
            self.asked += 1;
        }
        Ok(())
    }

    fn begins(&mut self, stage: u32) -> Result<()> {
        ensure!(
            stage == 1 || self.asked > 0,
            "nobody has asked the devices: Xen did not say: {BEGINS}"
        );
        self.asked = 0;
        Ok(())
    }

    fn last_stage(&self) -> u32 {
        self.last
    }
}

/// `status` is what QEMU says of a device.
fn expect_quiet(status: &Value) -> Result<()> {
    let status = &status["status"]["statuses"];
    let words = status.as_array().context("a device without a status")?;
    ensure!(words.is_empty(), "the device is at work: {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_with_a_driver_is_not_quiet() {
        let with =
            |statuses: Value| json!({"name": "virtio-net", "status": {"statuses": statuses}});
        assert!(expect_quiet(&with(json!([]))).is_ok());
        assert!(expect_quiet(&with(json!(["VIRTIO_CONFIG_S_DRIVER_OK: Driver setup"]))).is_err());
        assert!(expect_quiet(&json!({})).is_err());
    }
}
