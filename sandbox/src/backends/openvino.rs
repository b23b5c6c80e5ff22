//! `openvino`: OpenVINO's intermediate form on its CPU device, in the Python worker.

use portwright_core::Backend;

use super::{Absent, Attempt, BackendRuntime, Execution, Form, Host};
use crate::{environment::Environment, judge::Expected};

/// The backend.
#[derive(Debug)]
pub struct OpenVino;

impl BackendRuntime for OpenVino {
    fn backend(&self) -> Backend {
        Backend::Openvino
    }

    fn expected(&self) -> Expected {
        Expected {
            provider: "CPU",
            device: "CPU",
        }
    }

    fn form(&self) -> Form {
        Form::File { extension: "xml" }
    }

    fn probe(&self, environment: &Environment) -> Result<(), Absent> {
        Absent::unless_installed(environment, self.backend(), "openvino")
    }

    fn execute<'a>(&'a self, host: &'a Host<'_>, attempt: &'a Attempt) -> Execution<'a> {
        host.in_python(attempt)
    }
}
