//! What the acceptance of reports is held against: a bare echo, and a naive server that inserts, commits and publishes for each request.
//! Both check tokens as the suite does. Each runs as a process of its own, as intake does.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use async_nats::jetstream;
use clap::ValueEnum;
use dafei_contracts::intake::v1::{
    self as pb,
    suspicion_service_server::{SuspicionService, SuspicionServiceServer},
};
use dafei_kernel::ids::{IdSource as _, SystemIds};
use dafei_runtime::{
    identity::{self, AuthLayer, Verifier},
    paths::Paths,
};
use sqlx::PgPool;
use tonic::{Request, Response, Status, transport::Server};

use crate::{client, refill};

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Answers at once.
    Echo,
    /// Insert, commit, publish, await the acknowledgement, answer: for each request by itself.
    Naive,
}

/// The stream and table of the naive server; both are its own.
const STREAM: &str = "BENCH_NAIVE";

/// Serves on an address until the process is ended.
///
/// # Errors
/// When it cannot be bound, or PostgreSQL or NATS are away.
pub async fn serve(kind: Kind, listen: SocketAddr) -> anyhow::Result<()> {
    let jwks = std::fs::read_to_string(client::setting("DAFEI_JWKS")?)?;
    let verifier =
        Verifier::from_jwks(&jwks, &client::setting("DAFEI_JWT_ISSUER")?, &client::setting("DAFEI_JWT_AUDIENCE")?)?;
    let naive = match kind {
        Kind::Echo => None,
        Kind::Naive => Some(Naive::connect().await?),
    };
    let service = SuspicionServiceServer::new(Reference { naive: naive.map(Arc::new) });
    Server::builder()
        .layer(AuthLayer::new(verifier, &Paths::none()))
        .add_service(service)
        .serve(listen)
        .await
        .context("the reference server")
}

struct Naive {
    pool: PgPool,
    js: jetstream::Context,
}

impl Naive {
    async fn connect() -> anyhow::Result<Self> {
        let pool = sqlx::postgres::PgPoolOptions::new()
            .max_connections(16)
            .connect(&client::setting("DAFEI_INTAKE_DATABASE_URL")?)
            .await?;
        sqlx::query("CREATE TABLE IF NOT EXISTS bench_naive (id uuid PRIMARY KEY, village text NOT NULL, act text NOT NULL, description text NOT NULL, recorded_at timestamptz NOT NULL DEFAULT now())")
            .execute(&pool)
            .await?;
        let js = jetstream::new(refill::connect_bus().await?);
        js.get_or_create_stream(jetstream::stream::Config {
            name: STREAM.to_owned(),
            subjects: vec!["bench.naive.>".to_owned()],
            ..Default::default()
        })
        .await?;
        Ok(Self { pool, js })
    }

    async fn record(&self, request: &pb::RecordSuspicionRequest) -> anyhow::Result<String> {
        let id = SystemIds.random();
        let village = request.village.as_ref().map(|village| village.code.as_str()).unwrap_or_default();
        sqlx::query("INSERT INTO bench_naive (id, village, act, description) VALUES ($1, $2, $3, $4)")
            .bind(id)
            .bind(village)
            .bind(&request.act)
            .bind(&request.description)
            .execute(&self.pool)
            .await?;
        let payload =
            serde_json::json!({"caseId": id.to_string(), "act": request.act, "description": request.description});
        let subject = format!("bench.naive.{village}.suspicion-recorded");
        self.js.publish(subject, serde_json::to_vec(&payload)?.into()).await?.await?;
        Ok(id.to_string())
    }
}

struct Reference {
    naive: Option<Arc<Naive>>,
}

#[tonic::async_trait]
impl SuspicionService for Reference {
    async fn record_suspicion(
        &self,
        request: Request<pb::RecordSuspicionRequest>,
    ) -> Result<Response<pb::RecordSuspicionResponse>, Status> {
        identity::principal(&request)?;
        let request = request.into_inner();
        let case_id = match &self.naive {
            None => request.request_id.clone(),
            Some(naive) => naive.record(&request).await.map_err(|error| Status::internal(error.to_string()))?,
        };
        let suspicion = pb::Suspicion {
            case_id,
            village: request.village,
            act: request.act,
            subject: request.subject,
            description: request.description,
            ..Default::default()
        };
        Ok(Response::new(pb::RecordSuspicionResponse { suspicion: Some(suspicion), ..Default::default() }))
    }

    async fn notify_secretary(
        &self,
        _: Request<pb::NotifySecretaryRequest>,
    ) -> Result<Response<pb::NotifySecretaryResponse>, Status> {
        Err(only_one())
    }

    async fn record_persuasion(
        &self,
        _: Request<pb::RecordPersuasionRequest>,
    ) -> Result<Response<pb::RecordPersuasionResponse>, Status> {
        Err(only_one())
    }

    async fn record_revisit(
        &self,
        _: Request<pb::RecordRevisitRequest>,
    ) -> Result<Response<pb::RecordRevisitResponse>, Status> {
        Err(only_one())
    }

    async fn report_up(&self, _: Request<pb::ReportUpRequest>) -> Result<Response<pb::ReportUpResponse>, Status> {
        Err(only_one())
    }

    async fn flag_suspected_crime(
        &self,
        _: Request<pb::FlagSuspectedCrimeRequest>,
    ) -> Result<Response<pb::FlagSuspectedCrimeResponse>, Status> {
        Err(only_one())
    }

    async fn reopen_suspicion(
        &self,
        _: Request<pb::ReopenSuspicionRequest>,
    ) -> Result<Response<pb::ReopenSuspicionResponse>, Status> {
        Err(only_one())
    }

    async fn merge_suspicion(
        &self,
        _: Request<pb::MergeSuspicionRequest>,
    ) -> Result<Response<pb::MergeSuspicionResponse>, Status> {
        Err(only_one())
    }

    async fn find_duplicates(
        &self,
        _: Request<pb::FindDuplicatesRequest>,
    ) -> Result<Response<pb::FindDuplicatesResponse>, Status> {
        Err(only_one())
    }

    async fn record_help(&self, _: Request<pb::RecordHelpRequest>) -> Result<Response<pb::RecordHelpResponse>, Status> {
        Err(only_one())
    }

    async fn withdraw_suspicion(
        &self,
        _: Request<pb::WithdrawSuspicionRequest>,
    ) -> Result<Response<pb::WithdrawSuspicionResponse>, Status> {
        Err(only_one())
    }

    async fn publish_result(
        &self,
        _: Request<pb::PublishResultRequest>,
    ) -> Result<Response<pb::PublishResultResponse>, Status> {
        Err(only_one())
    }

    async fn get_suspicion(
        &self,
        _: Request<pb::GetSuspicionRequest>,
    ) -> Result<Response<pb::GetSuspicionResponse>, Status> {
        Err(only_one())
    }

    async fn list_suspicions(
        &self,
        _: Request<pb::ListSuspicionsRequest>,
    ) -> Result<Response<pb::ListSuspicionsResponse>, Status> {
        Err(only_one())
    }
}

fn only_one() -> Status {
    Status::unimplemented("a reference server takes RecordSuspicion only")
}
