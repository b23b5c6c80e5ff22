//! What the doctor has found, for people and for machines.

use std::fmt;

use serde::Serialize;

/// The version of the JSON form.
pub const SCHEMA: u32 = 1;

/// What the doctor has found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub schema: u32,
    /// Whether the backends of the settings can run.
    pub ready: bool,
    /// Whether the Python environment is here or can be built.
    pub environment_ready: bool,
    /// Whether generated code can be confined, or the settings do not ask for it.
    pub sandbox_ready: bool,
    pub tools: Vec<Item>,
    pub environment: Vec<Item>,
    pub sandbox: Vec<Item>,
    pub backends: Vec<Item>,
    pub devices: Vec<Item>,
    pub machine: Vec<Item>,
}

/// One thing that was looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    pub name: String,
    pub state: State,
    /// What was found; for what is absent, the reason.
    pub detail: String,
    /// What to do about it, where something can be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Present,
    /// Not here yet; `portwright run` provides it.
    Pending,
    Absent,
}

impl Item {
    pub fn new(name: impl Into<String>, state: State, detail: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            state,
            detail: detail.into(),
            hint: None,
        }
    }

    pub fn present(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(name, State::Present, detail)
    }

    pub fn pending(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(name, State::Pending, detail)
    }

    pub fn absent(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(name, State::Absent, reason)
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sections = [
            ("Tools", &self.tools),
            ("Python environment", &self.environment),
            ("Sandbox", &self.sandbox),
            ("Backends", &self.backends),
            ("Devices", &self.devices),
            ("Machine", &self.machine),
        ];
        let width = sections
            .iter()
            .flat_map(|(_, items)| items.iter())
            .map(|item| item.name.len())
            .max()
            .unwrap_or_default();
        for (title, items) in sections {
            writeln!(f, "{title}")?;
            for item in items {
                let state = match item.state {
                    State::Present => "ok     ",
                    State::Pending => "pending",
                    State::Absent => "absent ",
                };
                writeln!(f, "  {state}  {:width$}  {}", item.name, item.detail)?;
                if let Some(hint) = &item.hint {
                    writeln!(f, "  {:7}  {:width$}  hint: {hint}", "", "")?;
                }
            }
            writeln!(f)?;
        }
        f.write_str(if self.ready {
            "Ready: the backends of the settings can run.\n"
        } else {
            "Not ready: see the hints above.\n"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            schema: SCHEMA,
            ready: false,
            environment_ready: false,
            sandbox_ready: true,
            tools: vec![Item::absent("python", "no usable Python").hint("install Python 3.11")],
            environment: vec![Item::pending("environment", "not built yet")],
            sandbox: Vec::new(),
            backends: Vec::new(),
            devices: Vec::new(),
            machine: Vec::new(),
        }
    }

    #[test]
    fn what_is_absent_is_shown_with_its_reason_and_hint() {
        let text = report().to_string();
        assert!(
            text.contains("absent   python       no usable Python"),
            "{text}"
        );
        assert!(text.contains("hint: install Python 3.11"), "{text}");
        assert!(
            text.ends_with("Not ready: see the hints above.\n"),
            "{text}"
        );
    }

    #[test]
    fn machines_read_a_versioned_document() {
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!(json["schema"], 1);
        assert_eq!(json["tools"][0]["state"], "absent");
        assert_eq!(json["environment"][0]["state"], "pending");
    }
}
