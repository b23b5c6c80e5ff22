use super::*;

/// Settings of the user's own file in a folder of its own.
fn own(text: &str) -> (tempfile::TempDir, Result<Loaded, SettingsError>) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(FILE), text).unwrap();
    let loaded = Loaded::read(&Places {
        user: Some(folder.path().join(FILE)),
        ..Places::default()
    });
    (folder, loaded)
}

/// Settings of a project's file in a folder of its own.
fn project(text: &str) -> (tempfile::TempDir, Result<Loaded, SettingsError>) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(FILE), text).unwrap();
    let loaded = Loaded::read(&Places {
        working_folder: Some(folder.path().to_owned()),
        ..Places::default()
    });
    (folder, loaded)
}

fn error(text: &str) -> SettingsError {
    project(text).1.unwrap_err()
}

#[test]
fn without_files_the_defaults_are_in_force() {
    let settings = Loaded::read(&Places::default()).unwrap().settings;
    assert_eq!(
        settings.run.backends,
        [Backend::TORCH_CPU, Backend::ONNXRUNTIME, Backend::OPENVINO]
    );
    assert_eq!(settings.run.memory_limit_mib.get(), 4096);
    assert_eq!(settings.environment.transformers, None);
    assert!(settings.sandbox.enabled);
}

#[test]
fn every_default_is_explained_by_a_comment() {
    let lines: Vec<&str> = DEFAULTS.lines().collect();
    for pair in lines.windows(2) {
        if pair[1].contains(" = ") && !pair[1].starts_with('#') {
            assert!(pair[0].starts_with('#'), "`{}` has no comment", pair[1]);
        }
    }
}

#[test]
fn a_file_changes_only_what_it_holds() {
    let (folder, loaded) = project("[run]\nattempts = 2\n");
    let loaded = loaded.unwrap();
    assert_eq!(loaded.settings.run.attempts.get(), 2);
    assert_eq!(loaded.settings.run.memory_limit_mib.get(), 4096);
    assert_eq!(loaded.files, [folder.path().join(FILE)]);
}

#[test]
fn the_file_of_a_parent_folder_counts() {
    let (folder, _) = project("[log]\nlevel = \"debug\"\n");
    let places = Places {
        working_folder: Some(folder.path().join("a/b")),
        ..Places::default()
    };
    let loaded = Loaded::read(&places).unwrap();
    assert_eq!(loaded.settings.log.level, LogLevel::Debug);
}

#[test]
fn the_project_overrides_the_user() {
    let (user, _) = project("[run]\nattempts = 2\nplans = 3\n");
    let (project, _) = project("[run]\nattempts = 5\n");
    let places = Places {
        user: Some(user.path().join(FILE)),
        working_folder: Some(project.path().to_owned()),
        explicit: None,
    };
    let run = Loaded::read(&places).unwrap().settings.run;
    assert_eq!((run.attempts.get(), run.plans.get()), (5, 3));
}

#[test]
fn a_file_that_the_command_line_names_replaces_the_project_s() {
    let (project_folder, _) = project("[run]\nattempts = 5\n");
    let (other, _) = project("[run]\nplans = 7\n");
    let places = Places {
        explicit: Some(other.path().join(FILE)),
        working_folder: Some(project_folder.path().to_owned()),
        user: None,
    };
    let run = Loaded::read(&places).unwrap().settings.run;
    assert_eq!((run.attempts.get(), run.plans.get()), (12, 7));
}

#[test]
fn a_named_file_that_is_absent_is_an_error() {
    let places = Places {
        explicit: Some("/nowhere/portwright.toml".into()),
        ..Places::default()
    };
    let error = Loaded::read(&places).unwrap_err();
    assert!(
        error.to_string().contains("/nowhere/portwright.toml"),
        "{error}"
    );
}

#[test]
fn an_unknown_key_names_itself_its_file_and_what_was_meant() {
    let error = error("[run]\nmemory_limit = 1\n");
    assert!(error.to_string().contains("`run.memory_limit`"), "{error}");
    assert!(error.to_string().contains(FILE), "{error}");
    assert!(
        error.hint().contains("`run.memory_limit_mib`"),
        "{}",
        error.hint()
    );
}

#[test]
fn an_unknown_section_names_the_one_that_was_meant() {
    let error = error("[enviroment]\npython = \"python3\"\n");
    assert!(error.hint().contains("`environment`"), "{}", error.hint());
}

#[test]
fn a_right_name_in_the_wrong_section_is_found() {
    let error = error("[run]\ncache_dir = \"x\"\n");
    assert!(
        error.hint().contains("`environment.cache_dir`"),
        "{}",
        error.hint()
    );
}

#[test]
fn a_value_of_the_wrong_kind_names_key_and_file() {
    for text in [
        "[run]\nmemory_limit_mib = \"lots\"\n",
        "[run]\nmemory_limit_mib = 0\n",
        "[run]\nmemory_limit_mib = -1\n",
    ] {
        let error = error(text).to_string();
        assert!(
            error.contains("memory_limit_mib") && error.contains(FILE),
            "{error}"
        );
    }
}

#[test]
fn an_unknown_backend_names_the_known_ones() {
    let error = error("[run]\nbackends = [\"onnx\"]\n").to_string();
    assert!(
        error.contains("onnx") && error.contains("onnxruntime"),
        "{error}"
    );
}

#[test]
fn a_value_in_place_of_a_section_is_an_error() {
    assert!(error("run = 3\n").to_string().contains("[run]"));
}

#[test]
fn what_is_not_toml_says_where() {
    let error = error("[run\n").to_string();
    assert!(error.contains("line 1"), "{error}");
}

#[test]
fn a_relative_path_is_meant_from_its_file() {
    let text = "[run]\nrepo = \"out\"\n[environment]\npython = \"python3.12\"\nuv = \"bin/uv\"\n";
    let (folder, loaded) = own(text);
    let settings = loaded.unwrap().settings;
    assert_eq!(settings.run.repo, folder.path().join("out"));
    assert_eq!(settings.environment.python, Some("python3.12".into()));
    assert_eq!(settings.environment.uv, Some(folder.path().join("bin/uv")));
}

#[test]
fn what_is_shown_tells_where_each_setting_comes_from() {
    let (folder, loaded) = project("[run]\nattempts = 2\n");
    let shown = loaded.unwrap().show();
    let file = folder.path().join(FILE);
    assert!(
        shown.contains(&format!("run.attempts = 2  # {}\n", file.display())),
        "{shown}"
    );
    assert!(shown.contains("run.plans = 24  # default\n"), "{shown}");
}

#[test]
fn a_release_on_the_command_line_comes_before_the_setting() {
    let (_folder, loaded) = own("[environment]\ntransformers = \"5.19.0\"\n");
    let settings = loaded.unwrap().settings;
    let spec = |release| settings.environment_spec(release).unwrap().transformers;
    assert_eq!(spec(None), Some("5.19.0".into()));
    assert_eq!(spec(Some("5.18.0")), Some("5.18.0".into()));
}

#[test]
fn a_sweep_has_limits_of_its_own() {
    let (_folder, loaded) = project("[sweep]\nattempts = 2\n[run]\nattempts = 5\n");
    let settings = loaded.unwrap().settings;
    let sweep = settings.for_sweep();
    assert_eq!(sweep.run.attempts.get(), 2);
    assert!(sweep.run.wall_seconds < settings.run.wall_seconds);
    assert_eq!(sweep.run.backends, settings.run.backends);
}
