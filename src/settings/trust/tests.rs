use std::{fs, os::unix::fs::symlink};

use super::{
    super::{DEFAULTS, FILE, Loaded, Places, SettingsError, merge},
    *,
};

/// Values that no file in a working folder may give, for every setting that is guarded.
const ATTACKS: &[(&str, &str)] = &[
    ("run.repo", "\"/elsewhere\""),
    ("run.repo", "\"../elsewhere\""),
    ("run.repo", "\"a/../../elsewhere\""),
    ("run.repo", "\"link\""),
    ("run.repo", "\"link/below\""),
    ("run.memory_limit_mib", "1000000"),
    ("run.wall_seconds", "1000000"),
    ("run.cpu_seconds", "1000000"),
    ("run.disk_limit_mib", "1000000"),
    ("run.analysis_seconds", "1000000"),
    ("run.repair_seconds", "1000000"),
    ("sweep.memory_limit_mib", "1000000"),
    ("sweep.wall_seconds", "1000000"),
    ("sweep.disk_limit_mib", "1000000"),
    ("sweep.analysis_seconds", "1000000"),
    ("sweep.repair_seconds", "1000000"),
    ("environment.transformers", "\"4.0.0\""),
    ("environment.python", "\"./evil.sh\""),
    ("environment.uv", "\"./evil.sh\""),
    ("environment.cache_dir", "\"cache\""),
    ("sandbox.enabled", "false"),
    ("ledger.dir", "\"/elsewhere\""),
    ("ledger.dir", "\"link\""),
    ("llm.use", "\"http://127.0.0.1:9/v1\""),
    ("llm.use", "\"replay:recordings\""),
    ("llm.model", "\"dear\""),
    ("llm.small", "true"),
    ("llm.questions", "1000000"),
    ("llm.tokens", "1000000"),
    ("llm.seconds", "1000000"),
    ("llm.dollars", "100.0"),
    ("llm.prices", "\"prices.toml\""),
];

/// What any file may say.
const HARMLESS: &[(&str, &str)] = &[
    ("run.backends", "[\"torch-cpu\"]"),
    ("run.repo", "\"ports\""),
    ("run.repo", "\"./out/ports\""),
    ("run.memory_limit_mib", "1024"),
    ("run.plans", "30"),
    ("run.attempts", "30"),
    ("sweep.plans", "30"),
    ("sweep.attempts", "30"),
    ("sandbox.enabled", "true"),
    ("log.format", "\"json\""),
    ("log.level", "\"info\""),
    ("ledger.dir", "\"out/ledger\""),
];

fn text(key: &str, value: &str) -> String {
    let (section, name) = key.split_once('.').unwrap();
    format!("[{section}]\n{name} = {value}\n")
}

/// Reads a file of these settings in a working folder that has a link out of it.
fn read(key: &str, value: &str) -> Result<Loaded, SettingsError> {
    let folder = tempfile::tempdir().unwrap();
    symlink("..", folder.path().join("link")).unwrap();
    fs::write(folder.path().join(FILE), text(key, value)).unwrap();
    Loaded::read(&Places {
        working_folder: Some(folder.path().to_owned()),
        ..Places::default()
    })
}

/// The same text as the file that the command line names.
fn named(key: &str, value: &str) -> Result<Loaded, SettingsError> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(FILE), text(key, value)).unwrap();
    Loaded::read(&Places {
        explicit: Some(folder.path().join(FILE)),
        ..Places::default()
    })
}

#[test]
fn every_setting_declares_its_trust_and_says_it_in_the_defaults() {
    let defaults = DEFAULTS.parse().unwrap();
    let known: Vec<String> = merge::flatten(&defaults)
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    let mut listed: Vec<&str> = DECLARED.iter().map(|setting| setting.key).collect();
    listed.sort_unstable();
    assert_eq!(listed, known, "DECLARED lists the settings of the defaults");
    let lines: Vec<&str> = DEFAULTS.lines().collect();
    let mut section = "";
    for pair in lines.windows(2) {
        if let Some(name) = pair[1].strip_prefix('[') {
            section = name.trim_end_matches(']');
        }
        let Some((name, _)) = pair[1].split_once(" = ") else {
            continue;
        };
        if pair[1].starts_with('#') {
            continue;
        }
        let key = format!("{section}.{name}");
        let words = match declared(&key).unwrap().trust {
            Trust::Any => "any file",
            Trust::Stricter => "any file, only to make it stricter",
            Trust::Inside => "any file, only inside its folder",
            Trust::Own => "your own file only",
        };
        assert_eq!(pair[0], format!("# Trust: {words}."), "{key}");
    }
}

#[test]
fn a_setting_that_is_not_declared_is_the_user_s_alone() {
    let file = Path::new("folder/portwright.toml");
    let value = Value::Boolean(true);
    assert!(refusal("run.unheard_of", &value, &value, file).is_some());
}

#[test]
fn what_a_working_folder_may_not_choose_is_an_error_that_says_so() {
    for (key, value) in ATTACKS {
        let error = read(key, value).unwrap_err();
        assert!(
            matches!(&error, SettingsError::Trust { .. }),
            "{key}: {error}"
        );
        let said = error.to_string();
        assert!(said.contains(&format!("`{key}`")), "{said}");
        assert!(said.contains(FILE), "{said}");
        assert!(error.hint().contains("--config"), "{}", error.hint());
        // Whoever names the file has read it.
        assert!(named(key, value).is_ok(), "{key}");
    }
}

#[test]
fn every_guarded_setting_is_attacked_and_every_other_one_is_free() {
    for setting in DECLARED {
        let attacked = ATTACKS.iter().any(|(key, _)| *key == setting.key);
        assert_eq!(attacked, setting.trust != Trust::Any, "{}", setting.key);
    }
    for (key, value) in HARMLESS {
        assert!(read(key, value).is_ok(), "{key}");
    }
}

#[test]
fn what_a_working_folder_says_is_compared_with_what_the_user_has_set() {
    for (key, own, asked) in [
        ("run.memory_limit_mib", "1024", "2048"),
        ("environment.python", "\"/mine/python3\"", "\"\""),
        ("llm.dollars", "1.0", "0.0"),
    ] {
        let (user, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(user.path().join(FILE), text(key, own)).unwrap();
        fs::write(folder.path().join(FILE), text(key, asked)).unwrap();
        let places = Places {
            user: Some(user.path().join(FILE)),
            working_folder: Some(folder.path().to_owned()),
            explicit: None,
        };
        let error = Loaded::read(&places).unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
}

#[test]
fn the_whole_defaults_may_stand_in_a_working_folder() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(FILE), DEFAULTS).unwrap();
    let loaded = Loaded::read(&Places {
        working_folder: Some(folder.path().to_owned()),
        ..Places::default()
    });
    assert_eq!(loaded.unwrap().files.len(), 1);
}

#[test]
fn who_stands_beside_their_own_file_may_choose_everything() {
    let user = tempfile::tempdir().unwrap();
    let own = user.path().join(FILE);
    fs::write(&own, text("environment.python", "\"python3\"")).unwrap();
    let loaded = Loaded::read(&Places {
        user: Some(own.clone()),
        working_folder: Some(user.path().to_owned()),
        explicit: None,
    });
    assert_eq!(loaded.unwrap().files, [own]);
}

#[test]
fn a_settings_file_in_a_working_folder_is_no_link_no_folder_and_no_giant() {
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret");
    fs::write(&secret, "the planted secret").unwrap();
    let makes: [&dyn Fn(&Path); 4] = [
        &|file| symlink(&secret, file).unwrap(),
        &|file| symlink("/dev/zero", file).unwrap(),
        &|file| fs::create_dir(file).unwrap(),
        &|file| fs::File::create(file).unwrap().set_len(1 << 40).unwrap(),
    ];
    for make in makes {
        let folder = tempfile::tempdir().unwrap();
        make(&folder.path().join(FILE));
        let error = Loaded::read(&Places {
            working_folder: Some(folder.path().to_owned()),
            ..Places::default()
        })
        .unwrap_err();
        assert!(matches!(error, SettingsError::NotPlain(_)), "{error}");
        assert!(!error.to_string().contains("planted"), "{error}");
    }
}
