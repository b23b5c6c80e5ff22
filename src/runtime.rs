//! The runtime in which a command's asynchronous work runs, until it is done or interrupted.

use std::future::Future;

use crate::{error::CliError, exit};

/// The cure of an interrupt for a command whose finished steps are kept.
pub const GOES_ON: &str = "the same command goes on where this one stopped";

/// Waits for the work, or for Ctrl-C, whose error has `hint`. Threads that still wait for a lock or build something after
/// an interrupt are not waited for.
pub fn until_interrupted<T>(
    hint: Option<&str>,
    work: impl Future<Output = Result<T, CliError>>,
) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(CliError::internal)?;
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = work => ended,
            _ = tokio::signal::ctrl_c() => {
                Err(CliError::new(exit::INTERRUPTED, "interrupted", hint.map(str::to_owned)))
            }
        }
    });
    runtime.shutdown_background();
    ended
}
