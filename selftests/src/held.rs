//! kexec-tools on its way past the kernel, held in the very moment when it hands its image to Xen.
//!
//! All that it does before, it has done then: what it reads, where it puts it, the memory that it
//! takes for that. From there a system goes on in nearly the same way with its image and without it.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use anyhow::{bail, ensure, Context, Result};
use nix::sys::ptrace::{self, AddressType, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::Pid;

use crate::program::kexec_files;
use crate::sys::bindings::xen::{
    ioctl_privcmd_hypercall, privcmd_hypercall, KEXEC_CMD_kexec_load, __HYPERVISOR_kexec_op,
};

pub struct Held(Child);

impl Held {
    /// Starts it to load a crash kernel, and lets it come that far.
    pub fn crash(kernel: &str, initrd: &str, cmdline: &str) -> Result<Self> {
        let mut command = Command::new("kexec");
        command
            .args(["-p", kernel])
            .args(kexec_files(initrd, cmdline))
            .stderr(Stdio::piped());
        // SAFETY: ptrace(2) is a system call and allocates nothing, so it may run after fork(2).
        unsafe {
            command.pre_exec(|| Ok(ptrace::traceme()?));
        }
        let mut child = command.spawn().context("kexec")?;
        let pid = pid(&child);
        // Its first stop is the one for its exec.
        let mut stopped = waitpid(pid, None)?;
        ptrace::setoptions(pid, Options::PTRACE_O_TRACESYSGOOD)?;
        loop {
            match stopped {
                WaitStatus::PtraceSyscall(_) if is_about_to_load(pid)? => return Ok(Self(child)),
                WaitStatus::PtraceSyscall(_) | WaitStatus::Stopped(_, Signal::SIGTRAP) => {
                    ptrace::syscall(pid, None)?;
                }
                WaitStatus::Stopped(_, signal) => ptrace::syscall(pid, signal)?,
                other => bail!("kexec -p: {other:?}: {}", said(&mut child)?),
            }
            stopped = waitpid(pid, None)?;
        }
    }

    pub fn release(mut self) -> Result<()> {
        ptrace::detach(pid(&self.0), None)?;
        let status = self.0.wait()?;
        let said = said(&mut self.0)?;
        ensure!(status.success(), "kexec -p: {status}: {said}");
        Ok(())
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id() as i32)
}

/// Whether a process is before, or behind, the hypercall that loads an image.
fn is_about_to_load(pid: Pid) -> Result<bool> {
    const COMMAND: usize = std::mem::offset_of!(privcmd_hypercall, arg) / size_of::<u64>();
    let registers = ptrace::getregs(pid)?;
    if (registers.orig_rax, registers.rsi) != (libc::SYS_ioctl as u64, ioctl_privcmd_hypercall) {
        return Ok(false);
    }
    let call = registers.rdx as *const u64;
    let word = |nr| ptrace::read(pid, call.wrapping_add(nr) as AddressType);
    Ok(word(0)? as u64 == u64::from(__HYPERVISOR_kexec_op)
        && word(COMMAND)? as u64 == u64::from(KEXEC_CMD_kexec_load))
}

/// What it has said, once it is at its end.
fn said(child: &mut Child) -> Result<String> {
    let mut said = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut said)?;
    }
    Ok(said.trim().to_owned())
}
