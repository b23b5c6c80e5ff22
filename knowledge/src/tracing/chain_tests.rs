//! Chains through a small library in the shape of the real one.

use super::*;

fn library() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = root.path().join("transformers").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("base_config.py", "class BaseConfig:\n    inner: int = 3\n");
    write(
        "models/one/configuration_one.py",
        "from ...base_config import BaseConfig\n\nclass OneConfig(BaseConfig):\n    hidden_size: int = 8\n",
    );
    write("rope.py", "def turn(x):\n    return x\n");
    write(
        "models/one/modeling_one.py",
        "from .configuration_one import OneConfig\n\nclass OneLayer(Module):\n    def __init__(self, config: OneConfig):\n        self.proj = nn.Linear(config.hidden_size, config.inner)\n\n    def shared(self, x):\n        return x\n",
    );
    write(
        "models/two/modular_two.py",
        "class TwoLayer(OneLayer): pass\n",
    );
    write(
        "models/two/modeling_two.py",
        "from ...rope import turn\nfrom ..one.modeling_one import OneLayer\n\nclass TwoLayer(OneLayer):\n    def forward(self, x):\n        x = self.proj(\n            self.shared(turn(x))\n        )\n        return x\n\nclass TwoModel(Module):\n    def forward(self, x):\n        return self.layer(x)\n",
    );
    root
}

fn frame(file: &str, line: u32) -> Frame {
    Frame {
        file: file.into(),
        line,
        function: "forward".into(),
        ..Frame::default()
    }
}

fn seen(links: &[Link]) -> Vec<(Role, String, u32)> {
    links
        .iter()
        .map(|link| (link.role.clone(), link.file.clone(), link.line))
        .collect()
}

#[test]
fn a_failed_line_leads_to_attributes_fields_and_methods_in_other_files() {
    let root = library();
    let sources = Sources::new(root.path().join("transformers"), None);
    // As another machine printed it, with the runtime's frame inside.
    let frames = [
        frame(
            "/elsewhere/site-packages/transformers/models/two/modeling_two.py",
            13,
        ),
        frame(
            "/elsewhere/site-packages/transformers/models/two/modeling_two.py",
            6,
        ),
        frame("/elsewhere/site-packages/torch/nn/modules/linear.py", 134),
    ];
    let links = chain(&sources, &frames).unwrap();
    let two = "models/two/modeling_two.py".to_owned();
    let one = "models/one/modeling_one.py".to_owned();
    assert_eq!(
        seen(&links),
        [
            (Role::Failed, two.clone(), 6),
            (Role::Sets("proj".into()), one.clone(), 5),
            (
                Role::Field("hidden_size".into()),
                "models/one/configuration_one.py".into(),
                4
            ),
            (Role::Field("inner".into()), "base_config.py".into(), 2),
            (Role::Defines("shared".into()), one, 7),
            (Role::Defines("turn".into()), "rope.py".into(), 1),
            (Role::Called, two, 13),
        ]
    );
    assert_eq!(links[0].symbol, "TwoLayer.forward");
    assert_eq!(
        links[0].modular.as_deref(),
        Some("models/two/modular_two.py")
    );
    // The failed statement goes over three lines.
    assert!(links[0].lines.iter().any(|line| line.contains("turn(x)")));
}

#[test]
fn a_line_that_the_installed_file_does_not_have_is_passed_over() {
    let root = library();
    let sources = Sources::new(root.path().join("transformers"), None);
    let path = root.path().join("transformers/rope.py");
    let links = chain(&sources, &[frame(&path.to_string_lossy(), 99)]).unwrap();
    assert!(links.is_empty());
}

#[test]
fn a_local_folders_code_is_followed_too() {
    let root = library();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("modeling_own.py"),
        "def f(x):\n    return x.y\n",
    )
    .unwrap();
    let sources = Sources::new(root.path().join("transformers"), Some(folder.path().into()));
    let links = chain(&sources, &[frame("/cache/modules/modeling_own.py", 2)]).unwrap();
    assert_eq!(seen(&links), [(Role::Failed, "modeling_own.py".into(), 2)]);
}

#[test]
fn a_check_leads_to_the_fields_of_its_condition_by_way_of_the_caller() {
    let root = library();
    let folder = root.path().join("transformers/models/one");
    let file = folder.join("modeling_check.py");
    std::fs::write(
        &file,
        "from .configuration_one import OneConfig\n\nclass Inner(Module):\n    def __init__(self, config):\n        if config.hidden_size % 3:\n            raise ValueError()\n\nclass Outer(Module):\n    def __init__(self, config: OneConfig):\n        self.inner = Inner(config)\n",
    )
    .unwrap();
    let sources = Sources::new(root.path().join("transformers"), None);
    let file = file.to_string_lossy();
    let links = chain(&sources, &[frame(&file, 10), frame(&file, 6)]).unwrap();
    let one = "models/one/modeling_check.py".to_owned();
    assert_eq!(
        seen(&links),
        [
            (Role::Failed, one.clone(), 6),
            (
                Role::Field("hidden_size".into()),
                "models/one/configuration_one.py".into(),
                4
            ),
            (Role::Called, one, 10),
        ]
    );
}
