//! The object store: where the bytes of photos lie. A directory, or a bucket of S3; readiness depends on neither.
//!
//! Originals and public copies lie under prefixes of their own, so that rights can be given for one and not for the other. An object's name is
//! random and used once: what is put is never written over, and what is removed is never in use.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use dafei_runtime::{config::Secret, status::Fault, tls};
use futures::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use object_store::{
    Error, ObjectStore, ObjectStoreExt as _, PutPayload, RetryConfig, aws::AmazonS3Builder, local::LocalFileSystem,
    path::Path,
};
use uuid::Uuid;

/// How long a request to S3 may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection to S3 may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// When a client may try again after the store was away.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Where the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A directory; it is made when the first object is put.
    Directory(PathBuf),
    /// A bucket.
    Bucket(Bucket),
}

/// A bucket of S3 or of what speaks as S3 does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// What all names of objects begin with; may be empty.
    pub prefix: String,
    /// The server, `http://host:port` or `https://host`; that of AWS when none.
    pub endpoint: Option<String>,
    /// The region that requests are signed for.
    pub region: String,
    /// The access key's id.
    pub key_id: String,
    /// The access key's secret.
    pub secret: Secret,
}

/// Which of a photo's two objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As it was sent, under lock.
    Original,
    /// The copy without metadata.
    Public,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Original, Self::Public];

    const fn prefix(self) -> &'static str {
        match self {
            Self::Original => "originals",
            Self::Public => "public",
        }
    }
}

/// An object on its way.
pub(crate) struct Object {
    /// How many bytes it has.
    pub(crate) size: u64,
    /// Its bytes, part by part.
    pub(crate) bytes: BoxStream<'static, Result<Bytes, Fault>>,
}

impl From<Bytes> for Object {
    fn from(bytes: Bytes) -> Self {
        Self { size: bytes.len() as u64, bytes: stream::once(std::future::ready(Ok(bytes))).boxed() }
    }
}

/// The store.
#[derive(Debug, Clone)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    root: Path,
}

impl Objects {
    /// Opens the store; it need not be there yet.
    ///
    /// # Errors
    /// When the place cannot be one: a path or an address that is none.
    pub fn open(place: &Place) -> anyhow::Result<Self> {
        match place {
            Place::Directory(directory) => {
                let absolute = std::path::absolute(directory).context("the directory of photos")?;
                let root = Path::from_absolute_path(absolute).context("the directory of photos")?;
                Ok(Self { store: Arc::new(LocalFileSystem::new().with_fsync(true)), root })
            }
            Place::Bucket(bucket) => {
                tls::use_ring();
                let root = Path::parse(&bucket.prefix).context("the prefix of photos")?;
                Ok(Self { store: Arc::new(s3(bucket).context("the bucket of photos")?), root })
            }
        }
    }

    fn path(&self, kind: Kind, object: Uuid) -> Path {
        let name = object.simple().to_string();
        // No directory holds more than a small part of all names.
        let shard = name.get(..3).unwrap_or_default();
        self.root.clone().join(kind.prefix()).join(shard).join(name.as_str())
    }

    /// Puts an object; when this returns, it is on disk.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the store is away.
    pub(crate) async fn put(&self, kind: Kind, object: Uuid, bytes: Bytes) -> Result<(), Fault> {
        self.store.put(&self.path(kind, object), PutPayload::from_bytes(bytes)).await.map(drop).map_err(away)
    }

    /// An object, to be read from its beginning.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the store is away or does not have it.
    pub(crate) async fn get(&self, kind: Kind, object: Uuid) -> Result<Object, Fault> {
        let found = self.store.get(&self.path(kind, object)).await.map_err(away)?;
        let size = found.meta.size;
        Ok(Object { size, bytes: found.into_stream().map_err(away).boxed() })
    }

    /// Removes both objects of a name; those that are not there are no error.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the store is away.
    pub(crate) async fn remove(&self, object: Uuid) -> Result<(), Fault> {
        for kind in Kind::ALL {
            match self.store.delete(&self.path(kind, object)).await {
                Ok(()) | Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(away(error)),
            }
        }
        Ok(())
    }
}

fn s3(bucket: &Bucket) -> object_store::Result<impl ObjectStore> {
    let client = object_store::ClientOptions::new().with_timeout(TIMEOUT).with_connect_timeout(CONNECT_TIMEOUT);
    let retry = RetryConfig { max_retries: 2, retry_timeout: TIMEOUT, ..RetryConfig::default() };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&bucket.name)
        .with_region(&bucket.region)
        .with_access_key_id(&bucket.key_id)
        .with_secret_access_key(bucket.secret.expose())
        .with_disable_bulk_delete(true)
        .with_client_options(client)
        .with_retry(retry);
    if let Some(endpoint) = &bucket.endpoint {
        builder = builder.with_allow_http(endpoint.starts_with("http://")).with_endpoint(endpoint);
    }
    builder.build()
}

/// The store is away, whatever it says: nothing was done that anybody sees, and the client may try again.
fn away(error: Error) -> Fault {
    tracing::warn!(error = &error as &dyn std::error::Error, "the store of photos is away");
    Fault::Unavailable { retry_after: RETRY_AFTER }
}
