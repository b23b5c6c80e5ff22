//! The processors, accelerators and memory of this machine, read from the files of the kernel.

use std::{fs, path::Path, thread};

use super::Item;

/// The processor and the accelerators.
pub fn devices() -> Vec<Item> {
    let mut items = vec![Item::present("cpu", cpu())];
    items.extend(nvidia(Path::new("/proc/driver/nvidia")));
    items
}

/// The memory of this machine, in megabytes: all of it, and what is free for a job.
pub fn memory_mb() -> Option<(u64, u64)> {
    memory_in(&fs::read_to_string("/proc/meminfo").ok()?)
}

fn cpu() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let threads = thread::available_parallelism().map_or(1, |count| count.get());
    let name = model_in(&info).unwrap_or(std::env::consts::ARCH);
    format!("{name}, {threads} hardware threads")
}

fn model_in(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim())
}

/// Reads what NVIDIA's kernel driver tells, without loading a library of its.
fn nvidia(driver: &Path) -> Vec<Item> {
    let gpus = match fs::read_dir(driver.join("gpus")) {
        Ok(gpus) => gpus,
        Err(error) => {
            let reason = format!("no NVIDIA driver is loaded: {}: {error}", driver.display());
            return vec![Item::absent("nvidia-gpu", reason)];
        }
    };
    let items: Vec<Item> = gpus
        .flatten()
        .map(|gpu| {
            let text = fs::read_to_string(gpu.path().join("information")).unwrap_or_default();
            let model = text
                .lines()
                .find_map(|line| line.strip_prefix("Model:"))
                .map_or("unknown model", str::trim)
                .to_owned();
            Item::present(
                "nvidia-gpu",
                format!("{model} ({})", gpu.file_name().display()),
            )
        })
        .collect();
    if items.is_empty() {
        return vec![Item::absent(
            "nvidia-gpu",
            "the NVIDIA driver is loaded and sees no GPU",
        )];
    }
    items
}

fn memory_in(meminfo: &str) -> Option<(u64, u64)> {
    let kilobytes = |name: &str| -> Option<u64> {
        let line = meminfo.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    let megabytes = |name| Some(kilobytes(name)? * 1024 / 1_000_000);
    Some((megabytes("MemTotal:")?, megabytes("MemAvailable:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_named() {
        let text = "processor\t: 0\nmodel name\t: AMD EPYC 9R14\nmodel name\t: other\n";
        assert_eq!(model_in(text), Some("AMD EPYC 9R14"));
        assert_eq!(model_in("CPU implementer : 0x41\n"), None);
    }

    #[test]
    fn a_gpu_is_named_as_its_driver_names_it() {
        let driver = tempfile::tempdir().unwrap();
        let gpu = driver.path().join("gpus/0000:01:00.0");
        fs::create_dir_all(&gpu).unwrap();
        fs::write(gpu.join("information"), "Model: \t\t NVIDIA H100\nIRQ: 1\n").unwrap();
        let items = nvidia(driver.path());
        assert_eq!(
            items,
            [Item::present("nvidia-gpu", "NVIDIA H100 (0000:01:00.0)")]
        );
    }

    #[test]
    fn without_a_driver_the_reason_says_so() {
        let items = nvidia(Path::new("/nowhere"));
        assert!(
            items[0].detail.contains("no NVIDIA driver is loaded"),
            "{items:?}"
        );
    }

    #[test]
    fn memory_is_read_in_megabytes() {
        let text = "MemTotal:       16000000 kB\nMemFree: 1 kB\nMemAvailable:    8000000 kB\n";
        assert_eq!(memory_in(text), Some((16384, 8192)));
        assert_eq!(memory_in(""), None);
    }
}
