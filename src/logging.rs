//! Log lines on stderr.

use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use crate::{
    cli,
    error::CliError,
    settings::{LogFormat, LogLevel, Settings},
};

/// Starts logging as the options and settings say; `RUST_LOG` comes before both.
pub fn start(options: &cli::Global, settings: &Settings) -> Result<(), CliError> {
    let level = match options.verbose {
        0 => level(settings.log.level),
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    // The client of language models logs what an endpoint says, and an endpoint may repeat a key.
    let silent = "async_openai=off".parse().map_err(CliError::internal)?;
    let filter = EnvFilter::builder()
        .with_default_directive(level.into())
        .from_env()
        .map(|filter| filter.add_directive(silent))
        .map_err(|error| {
            CliError::usage(
                format!("RUST_LOG is not a filter: {error}"),
                "for example RUST_LOG=portwright=debug",
            )
        })?;
    let json = match options.log_format {
        Some(format) => format == cli::LogFormat::Json,
        None => settings.log.format == LogFormat::Json,
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if json {
        builder.json().init()
    } else {
        builder.with_target(false).init()
    }
    Ok(())
}

fn level(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}
