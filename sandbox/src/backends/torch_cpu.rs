//! `torch-cpu`: the skillset's own module on PyTorch, in the Python worker.

use portwright_core::Backend;

use super::{Absent, Attempt, BackendRuntime, Execution, Form, Host};
use crate::{environment::Environment, judge::Expected};

/// The backend.
#[derive(Debug)]
pub struct TorchCpu;

impl BackendRuntime for TorchCpu {
    fn backend(&self) -> Backend {
        Backend::TorchCpu
    }

    fn expected(&self) -> Expected {
        Expected {
            provider: "cpu",
            device: "cpu",
        }
    }

    fn form(&self) -> Form {
        Form::Module
    }

    fn probe(&self, environment: &Environment) -> Result<(), Absent> {
        Absent::unless_installed(environment, self.backend(), "torch")
    }

    fn execute<'a>(&'a self, host: &'a Host<'_>, attempt: &'a Attempt) -> Execution<'a> {
        host.in_python(attempt)
    }
}
