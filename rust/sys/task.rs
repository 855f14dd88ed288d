//! The program that runs.

use core::fmt;

use super::bindings::kernel as c;

/// Its name, as ps(1) shows it.
pub(crate) struct Name([u8; c::TASK_COMM_LEN as usize]);

impl Name {
    pub(crate) fn get() -> Self {
        let mut text = [0; c::TASK_COMM_LEN as usize];
        // SAFETY: It has room for a name.
        unsafe { c::rkexec_name_of_task(text.as_mut_ptr().cast()) };
        Self(text)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It is the program's to choose.
        let name = self.0.iter().take_while(|byte| **byte != 0);
        name.copied()
            .flat_map(core::ascii::escape_default)
            .try_for_each(|byte| write!(f, "{}", char::from(byte)))
    }
}
