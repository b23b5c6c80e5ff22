//! The provider that a backend asks for beside the CPU's own. It must be there: without it a session would be another backend's.

use std::path::Path;

use ort::{device::Device, environment::Environment, ep, session::builder::SessionBuilder};

use super::{
    super::caged::{Plugin, Tuning},
    worker::{Failure, runtime},
};

/// The providers, as the runtime names them.
pub const CPU: &str = "CPUExecutionProvider";
const OPENVINO: &str = "OpenVINOExecutionProvider";
const QNN: &str = "QNNExecutionProvider";

/// The device that executes, as the evidence names it. On x86-64 the library of QNN's HTP is a simulator.
pub fn device(provider: &str) -> &'static str {
    match provider {
        QNN if cfg!(target_arch = "x86_64") => "HTP simulator",
        QNN => "HTP",
        _ => super::DEVICE,
    }
}

/// The first device that a provider finds.
pub fn device_of<'e>(environment: &'e Environment, provider: &str) -> Option<Device<'e>> {
    let mut devices = environment.devices();
    devices.find(|device| device.ep().is_ok_and(|it| it == provider))
}

/// Makes the provider in a library of its own known to the runtime.
pub fn register(environment: &Environment, provider: &str, plugin: &Plugin) -> Result<(), Failure> {
    environment
        .register_ep_library(provider, &plugin.library)
        .map_err(runtime("load"))?;
    match device_of(environment, provider) {
        Some(_) => Ok(()),
        None => Err(Failure::new(
            "load",
            "DeviceError",
            format!("`{provider}` finds no device"),
        )),
    }
}

/// Adds a provider to a session that is being built.
pub fn add(
    builder: SessionBuilder,
    environment: &Environment,
    provider: &str,
    plugin: Option<&Plugin>,
    tuning: &Tuning,
) -> ort::Result<SessionBuilder> {
    match (provider, plugin) {
        (OPENVINO, _) => {
            let mut openvino = ep::OpenVINO::default()
                .with_device_type(super::DEVICE)
                .with_precision("ACCURACY");
            if let Some(threads) = tuning.threads {
                openvino = openvino.with_num_threads(threads);
            }
            Ok(builder.with_execution_providers([openvino.build().error_on_failure()])?)
        }
        (_, Some(plugin)) => {
            let options = options(provider, &plugin.library);
            Ok(builder.with_devices(device_of(environment, provider), Some(&options))?)
        }
        (_, None) => Ok(builder),
    }
}

/// The options of a provider in a library of its own, each below the provider's name.
fn options(provider: &str, library: &Path) -> Vec<(String, String)> {
    let backend = library.with_file_name("libQnnHtp.so");
    let options = match provider {
        QNN => vec![
            ("backend_path", backend.display().to_string()),
            // The chip that the simulator stands for, by QNN's number of it.
            ("soc_model", "60".to_owned()),
            ("htp_graph_finalization_optimization_mode", "3".to_owned()),
        ],
        _ => Vec::new(),
    };
    let named = |(name, value)| (format!("{provider}.{name}"), value);
    options.into_iter().map(named).collect()
}
