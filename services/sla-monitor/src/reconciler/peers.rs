//! Asking intake and dispatch for their open steps.

use std::{collections::HashMap, fs, path::PathBuf, time::Duration};

use anyhow::Context as _;
use dafei_contracts::{
    convert::{self, ConvertError, Field},
    dispatch::v1::{self as dispatch, proof_service_client::ProofServiceClient},
    intake::v1::{self as intake, open_step_service_client::OpenStepServiceClient},
};
use dafei_kernel::{owner::Post, time::Instant};
use dafei_runtime::client;
use dafei_sla_core::{
    Source,
    reconcile::{Key, Listed},
};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    transport::{Certificate, Channel, ClientTlsConfig, Identity},
};

use crate::config::PeerSettings;

/// How long an answer may take to come.
const ANSWER: Duration = Duration::from_secs(120);
/// Cases of a page.
const PAGE: i32 = 1_000;

/// Why a service's open steps are not known.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The file of the token cannot be read, or holds none.
    #[error("the token of {path}: {reason}")]
    Token {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// It did not answer, or refused.
    #[error("{service}: {status}")]
    Call {
        /// Whom.
        service: &'static str,
        /// What it said.
        status: Box<Status>,
    },
    /// It answered what cannot be understood.
    #[error("{service}: {source}")]
    Answer {
        /// Whom.
        service: &'static str,
        /// What is wrong.
        source: ConvertError,
    },
}

/// The two services.
#[derive(Debug, Clone)]
pub struct Peers {
    intake: Channel,
    dispatch: Channel,
    token_file: PathBuf,
}

/// The digests of a service's open steps.
#[derive(Debug, Clone)]
pub(crate) struct Digests {
    /// The instant of the snapshot.
    pub(crate) as_of: Instant,
    /// Digest by bucket; those that hold no open case are left out.
    pub(crate) buckets: HashMap<u32, String>,
}

/// A page of a bucket.
#[derive(Debug)]
pub(crate) struct Page {
    /// By case.
    pub(crate) steps: Vec<Listed>,
    /// Empty at the end.
    pub(crate) next: String,
}

impl Peers {
    /// Channels that are connected when they are needed.
    ///
    /// # Errors
    /// When an address is none, or a certificate cannot be read.
    pub fn new(settings: &PeerSettings) -> anyhow::Result<Self> {
        let read = |path: &PathBuf| fs::read(path).with_context(|| path.display().to_string());
        let tls = settings.ca.as_ref().map(|ca| {
            let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(ca)?));
            if let Some(own) = &settings.identity {
                tls = tls.identity(Identity::from_pem(read(&own.cert)?, read(&own.key)?));
            }
            anyhow::Ok(tls)
        });
        let tls = tls.transpose()?;
        let channel = |address: &str| {
            let endpoint = client::endpoint(address, ANSWER).with_context(|| format!("the address {address}"))?;
            let endpoint = match &tls {
                Some(tls) if address.starts_with("https") => endpoint.tls_config(tls.clone())?,
                _ => endpoint,
            };
            anyhow::Ok(endpoint.connect_lazy())
        };
        Ok(Self {
            intake: channel(&settings.intake)?,
            dispatch: channel(&settings.dispatch)?,
            token_file: settings.token_file.clone(),
        })
    }

    /// Begins a session with the token as it is now.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn session(&self) -> Result<Session, PeerError> {
        let fault = |reason: String| PeerError::Token { path: self.token_file.display().to_string(), reason };
        let token = tokio::fs::read_to_string(&self.token_file).await.map_err(|error| fault(error.to_string()))?;
        let bearer = format!("Bearer {}", token.trim()).parse();
        let bearer = bearer.map_err(|_| fault("is no text for a header".to_owned()))?;
        Ok(Session { peers: self.clone(), bearer })
    }
}

/// The two services, asked under one token.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    peers: Peers,
    bearer: MetadataValue<Ascii>,
}

impl Session {
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.bearer.clone());
        request
    }

    /// The digests of all buckets.
    pub(crate) async fn digests(&self, publisher: Source) -> Result<Digests, PeerError> {
        let service = publisher.code();
        let call = |status: Status| PeerError::Call { service, status: Box::new(status) };
        let (as_of, buckets): (_, HashMap<u32, String>) = match publisher {
            Source::Intake => {
                let client = OpenStepServiceClient::new(self.peers.intake.clone());
                let ask = || async {
                    client.clone().digest_open_steps(self.request(intake::DigestOpenStepsRequest {})).await
                };
                let answer = client::retried(ask).await.map_err(call)?.into_inner();
                (answer.as_of, answer.buckets.into_iter().map(|one| (one.bucket, one.digest)).collect())
            }
            Source::Dispatch | Source::Reconciler => {
                let client = ProofServiceClient::new(self.peers.dispatch.clone());
                let ask = || async {
                    client.clone().digest_open_steps(self.request(dispatch::DigestOpenStepsRequest {})).await
                };
                let answer = client::retried(ask).await.map_err(call)?.into_inner();
                (answer.as_of, answer.buckets.into_iter().map(|one| (one.bucket, one.digest)).collect())
            }
        };
        let as_of = convert::instant("as_of", as_of).map_err(|source| PeerError::Answer { service, source })?;
        Ok(Digests { as_of, buckets })
    }

    /// A page of a bucket's open steps.
    pub(crate) async fn page(&self, publisher: Source, bucket: u32, token: String) -> Result<Page, PeerError> {
        let service = publisher.code();
        let call = |status: Status| PeerError::Call { service, status: Box::new(status) };
        let (steps, next) = match publisher {
            Source::Intake => {
                let message = intake::ListOpenStepsRequest { bucket, page_size: PAGE, page_token: token };
                let client = OpenStepServiceClient::new(self.peers.intake.clone());
                let ask = || async { client.clone().list_open_steps(self.request(message.clone())).await };
                let answer = client::retried(ask).await.map_err(call)?.into_inner();
                (answer.steps.iter().map(of_intake).collect(), answer.next_page_token)
            }
            Source::Dispatch | Source::Reconciler => {
                let message = dispatch::ListOpenStepsRequest { bucket, page_size: PAGE, page_token: token };
                let client = ProofServiceClient::new(self.peers.dispatch.clone());
                let ask = || async { client.clone().list_open_steps(self.request(message.clone())).await };
                let answer = client::retried(ask).await.map_err(call)?.into_inner();
                (answer.steps.iter().map(of_dispatch).collect(), answer.next_page_token)
            }
        };
        let steps: Result<Vec<Listed>, ConvertError> = steps;
        Ok(Page { steps: steps.map_err(|source| PeerError::Answer { service, source })?, next })
    }
}

fn key(case: &str, clock: &str, instruction: &str) -> Result<Key, ConvertError> {
    let instruction = (!instruction.is_empty()).then(|| convert::uuid("instruction_id", instruction)).transpose()?;
    let clock = clock.parse().map_err(|_| ConvertError::unknown("clock", "UNKNOWN_CLOCK", clock, "时限代码"))?;
    Ok(Key { case: convert::uuid("case_id", case)?, clock, instruction })
}

fn of_intake(step: &intake::OpenStep) -> Result<Listed, ConvertError> {
    Ok(Listed {
        key: key(&step.case_id, &step.clock, "")?,
        version: step.sequence,
        owner: Post::try_from(step.owner.as_ref().required("owner")?)?,
        leg: 0,
        started_at: step.started_at.map(|at| convert::instant("started_at", Some(at))).transpose()?,
    })
}

fn of_dispatch(step: &dispatch::OpenStep) -> Result<Listed, ConvertError> {
    Ok(Listed {
        key: key(&step.case_id, &step.clock, &step.instruction_id)?,
        version: step.version,
        owner: Post::try_from(step.owner.as_ref().required("owner")?)?,
        leg: step.leg,
        started_at: step.started_at.map(|at| convert::instant("started_at", Some(at))).transpose()?,
    })
}
