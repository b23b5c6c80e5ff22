//! The store on a Qdrant server. The client is async; its runtime stays in here, so that callers see plain functions and
//! may call them from anywhere.

use std::{collections::HashSet, future::Future, sync::mpsc};

use portwright_core::Digest;
use qdrant_client::{
    Payload, Qdrant as Client, QdrantError,
    qdrant::{
        Condition, CreateCollectionBuilder, DeletePointsBuilder, Distance, Filter, PointId,
        PointStruct, PointsIdsList, RetrievedPoint, ScrollPointsBuilder, SearchParamsBuilder,
        SearchPointsBuilder, UpsertPointsBuilder, VectorParamsBuilder,
    },
};
use tokio::runtime::Runtime;

use super::{Vector, VectorError, VectorStore, WIDTH, checked};

/// The variable that names the server, by its gRPC address.
pub const URL: &str = "QDRANT_URL";

/// The variable that holds the key, where the server wants one.
const API_KEY: &str = "QDRANT_API_KEY";

/// The field of a point that holds the whole key: a point's id has room for half of it.
const KEY: &str = "key";

/// Points in one message.
const PAGE: u32 = 512;

/// Vectors in a collection of a server.
pub struct Qdrant {
    url: String,
    collection: String,
    client: Client,
    /// `None` only while it is being dropped.
    runtime: Option<Runtime>,
}

impl Qdrant {
    /// The server that `QDRANT_URL` names; `None` where it is not set.
    pub fn address() -> Option<String> {
        std::env::var(URL).ok().filter(|url| !url.is_empty())
    }

    /// A collection of the server at `url`, made where it is not there yet.
    pub fn open(url: &str, collection: &str) -> Result<Self, VectorError> {
        let failed = |what: String| VectorError::Server {
            url: url.to_owned(),
            what,
        };
        let key = std::env::var(API_KEY).ok().filter(|key| !key.is_empty());
        let client = Client::from_url(url)
            .api_key(key)
            .skip_compatibility_check()
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let store = Self {
            url: url.to_owned(),
            collection: collection.to_owned(),
            client,
            runtime: Some(runtime),
        };
        let (client, name) = (store.client.clone(), store.collection.clone());
        store.wait(async move {
            if !client.collection_exists(&name).await? {
                let vectors = VectorParamsBuilder::new(WIDTH as u64, Distance::Cosine);
                client
                    .create_collection(CreateCollectionBuilder::new(&name).vectors_config(vectors))
                    .await?;
            }
            Ok(())
        })?;
        Ok(store)
    }

    /// Waits for an answer of the server. The future runs on the store's own runtime, so this may be called inside
    /// another one.
    fn wait<T: Send + 'static>(
        &self,
        question: impl Future<Output = Result<T, QdrantError>> + Send + 'static,
    ) -> Result<T, VectorError> {
        let failed = |what: String| VectorError::Server {
            url: self.url.clone(),
            what,
        };
        let Some(runtime) = &self.runtime else {
            return Err(failed("the connection is closed".into()));
        };
        let (sender, receiver) = mpsc::channel();
        runtime.spawn(async move {
            // The receiver waits below and cannot be gone.
            let _ = sender.send(question.await);
        });
        receiver
            .recv()
            .map_err(|error| failed(error.to_string()))?
            .map_err(|error| failed(error.to_string()))
    }

    /// Every point's key.
    fn all(&self) -> Result<Vec<Digest>, VectorError> {
        let (client, name) = (self.client.clone(), self.collection.clone());
        self.wait(async move {
            let mut keys = Vec::new();
            let mut offset: Option<PointId> = None;
            loop {
                let mut page = ScrollPointsBuilder::new(&name)
                    .limit(PAGE)
                    .with_payload(true)
                    .with_vectors(false);
                if let Some(offset) = offset.take() {
                    page = page.offset(offset);
                }
                let answer = client.scroll(page).await?;
                keys.extend(answer.result.iter().filter_map(key_of));
                match answer.next_page_offset {
                    Some(next) => offset = Some(next),
                    None => return Ok(keys),
                }
            }
        })
    }
}

impl VectorStore for Qdrant {
    fn keys(&self) -> Result<HashSet<Digest>, VectorError> {
        Ok(self.all()?.into_iter().collect())
    }

    fn put(&mut self, vectors: &[(Digest, Vector)]) -> Result<(), VectorError> {
        let mut points = Vec::with_capacity(vectors.len());
        for (key, vector) in vectors {
            checked(vector)?;
            let mut payload = Payload::new();
            payload.insert(KEY, key.as_str());
            points.push(PointStruct::new(id(key), vector.clone(), payload));
        }
        if points.is_empty() {
            return Ok(());
        }
        let (client, name) = (self.client.clone(), self.collection.clone());
        self.wait(async move {
            let request = UpsertPointsBuilder::new(name, points).wait(true);
            client.upsert_points_chunked(request, PAGE as usize).await
        })?;
        Ok(())
    }

    fn retain(&mut self, keys: &HashSet<Digest>) -> Result<(), VectorError> {
        let gone: Vec<PointId> = self
            .all()?
            .iter()
            .filter(|key| !keys.contains(*key))
            .map(|key| id(key).into())
            .collect();
        if gone.is_empty() {
            return Ok(());
        }
        let (client, name) = (self.client.clone(), self.collection.clone());
        self.wait(async move {
            let request = DeletePointsBuilder::new(name)
                .points(PointsIdsList { ids: gone })
                .wait(true);
            client.delete_points(request).await
        })?;
        Ok(())
    }

    fn nearest(
        &self,
        vector: &[f32],
        among: Option<&HashSet<Digest>>,
        limit: usize,
    ) -> Result<Vec<(Digest, f32)>, VectorError> {
        checked(vector)?;
        if among.is_some_and(HashSet::is_empty) {
            return Ok(Vec::new());
        }
        let mut request = SearchPointsBuilder::new(&self.collection, vector, limit as u64)
            .with_payload(true)
            // Some ten thousand points are few: the exact answer costs milliseconds.
            .params(SearchParamsBuilder::default().exact(true));
        if let Some(among) = among {
            let ids: Vec<PointId> = among.iter().map(|key| id(key).into()).collect();
            request = request.filter(Filter::must([Condition::has_id(ids)]));
        }
        let client = self.client.clone();
        let answer = self.wait(async move { client.search_points(request).await })?;
        Ok(answer
            .result
            .iter()
            .filter_map(|point| {
                let key = point.payload.get(KEY)?.as_str()?;
                Some((Digest::parse(key)?, point.score))
            })
            .collect())
    }
}

impl Drop for Qdrant {
    fn drop(&mut self) {
        // A runtime that is dropped inside another one panics; this one is let go in the background.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn key_of(point: &RetrievedPoint) -> Option<Digest> {
    Digest::parse(point.payload.get(KEY)?.as_str()?)
}

/// The first half of a key in the form of a UUID.
fn id(key: &Digest) -> String {
    let digits = key.as_str();
    format!(
        "{}-{}-{}-{}-{}",
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..32]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_not_there_is_an_error_that_names_the_variable() {
        // Nothing listens on the first port.
        let error = Qdrant::open("http://127.0.0.1:1", "none").err().unwrap();
        assert!(matches!(error, VectorError::Server { .. }), "{error}");
        assert!(error.to_string().contains("127.0.0.1:1"));
        assert!(error.hint().contains(URL));
    }

    #[test]
    fn a_store_can_be_asked_inside_another_runtime() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            assert!(Qdrant::open("http://127.0.0.1:1", "none").is_err());
        });
    }
}
