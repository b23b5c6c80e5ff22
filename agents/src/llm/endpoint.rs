//! Where a model is asked: an address, a name and, where the endpoint wants one, a key.

use std::time::Duration;

use async_openai::config::Config;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};

use super::LlmError;

/// The key of an endpoint. It prints nothing of itself and cannot be serialised; only the request's header has it.
#[derive(Clone, Debug, Default)]
pub struct Key(SecretString);

impl Key {
    pub fn new(key: impl Into<String>) -> Self {
        Self(SecretString::from(key.into()))
    }

    fn is_empty(&self) -> bool {
        self.0.expose_secret().is_empty()
    }

    /// `text` without the key: an endpoint may repeat it in what it says.
    pub(super) fn removed_from(&self, text: &str) -> String {
        if self.is_empty() {
            return text.to_owned();
        }
        text.replace(self.0.expose_secret(), "[the key]")
    }
}

/// An OpenAI-compatible endpoint.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The base of the API without a slash at its end, e.g. `http://127.0.0.1:8080/v1`.
    base: String,
    loopback: bool,
    key: Key,
}

impl Endpoint {
    /// Refuses what is no plain HTTP address, and one that carries a user or a password: those would be shown with it.
    pub fn new(url: &str, key: Key) -> Result<Self, LlmError> {
        let refuse = |why: &str| {
            Err(LlmError::Url {
                // What stands before the `@` may be a secret.
                url: url.rsplit('@').next().unwrap_or_default().to_owned(),
                why: why.to_owned(),
            })
        };
        let parsed = match reqwest::Url::parse(url) {
            Ok(parsed) => parsed,
            Err(error) => return refuse(&error.to_string()),
        };
        if !matches!(parsed.scheme(), "http" | "https") {
            return refuse("it is neither http nor https");
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return refuse("it has a user or a password in it");
        }
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return refuse("it has a query or a fragment");
        }
        let host = parsed.host_str().unwrap_or_default();
        let loopback = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        if parsed.scheme() == "http" && !loopback && !key.is_empty() {
            return refuse("a key is set, and it would cross the network in the clear");
        }
        Ok(Self {
            base: parsed.as_str().trim_end_matches('/').to_owned(),
            loopback,
            key,
        })
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// The client: it follows no redirection, which could carry the key elsewhere, and reaches this machine directly.
    pub(super) fn client(&self) -> Result<async_openai::Client<Self>, LlmError> {
        // The first provider that is installed serves the process; a second try changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(20))
            .redirect(reqwest::redirect::Policy::none());
        if self.loopback {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| LlmError::Client {
            why: error.to_string(),
        })?;
        Ok(async_openai::Client::build(client, self.clone()))
    }
}

impl Config for Endpoint {
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if !self.key.is_empty()
            && let Ok(mut value) =
                HeaderValue::from_str(&format!("Bearer {}", self.key.0.expose_secret()))
        {
            // The libraries below leave what is marked so out of their logs.
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        headers
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn query(&self) -> Vec<(&str, &str)> {
        Vec::new()
    }

    fn api_base(&self) -> &str {
        &self.base
    }

    fn api_key(&self) -> &SecretString {
        &self.key.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk-very-secret";

    #[test]
    fn a_key_prints_nothing_of_itself() {
        let endpoint = Endpoint::new("https://models.example/v1/", Key::new(KEY)).unwrap();
        assert_eq!(endpoint.base(), "https://models.example/v1");
        let client = endpoint.client().unwrap();
        let headers = endpoint.headers();
        for shown in [
            format!("{endpoint:?}"),
            format!("{client:?}"),
            format!("{headers:?}"),
        ] {
            assert!(!shown.contains("secret"), "{shown}");
        }
        assert_eq!(
            endpoint.key().removed_from("bad key sk-very-secret!"),
            "bad key [the key]!"
        );
    }

    #[test]
    fn an_address_that_would_show_or_lose_a_secret_is_refused() {
        for url in [
            "https://me:sk-very-secret@models.example/v1",
            "http://models.example/v1",
            "ftp://models.example",
            "https://models.example/v1?key=1",
            "models.example",
        ] {
            let error = Endpoint::new(url, Key::new(KEY)).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
            assert!(error.hint().contains("OPENAI_API_KEY"));
        }
        assert!(Endpoint::new("http://models.example/v1", Key::default()).is_ok());
        assert!(Endpoint::new("http://127.0.0.1:8080/v1", Key::new(KEY)).is_ok());
    }
}
