//! An agency's own system: it knows NATS, its credentials and the JSON of instructions and feedback, nothing else.

use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream::{self, AckKind, consumer::PullConsumer};
use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::{
    agency::{Credentials, RegionName},
    client,
};

/// How long the system waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// The connected system.
pub struct AgencySystem {
    client: async_nats::Client,
    messages: jetstream::consumer::pull::Stream,
    feedback_prefix: String,
    agency: String,
    region: RegionName,
}

impl AgencySystem {
    /// Connects with the credentials that the system was given.
    ///
    /// # Errors
    /// When the server or the queue cannot be reached.
    pub async fn connect(credentials: &Credentials) -> anyhow::Result<Self> {
        let client =
            async_nats::ConnectOptions::with_user_and_password(credentials.user.clone(), credentials.password.clone())
                .connect(client::servers(&credentials.url))
                .await
                .context("部门系统连接消息总线")?;
        let context =
            jetstream::context::ContextBuilder::new().api_prefix(credentials.api_prefix).build(client.clone());
        let consumer: PullConsumer = context
            .get_consumer_from_stream(&credentials.durable, &credentials.stream)
            .await
            .context("部门系统找到自己的队列")?;
        let messages = consumer.stream().max_messages_per_batch(1).messages().await?;
        Ok(Self {
            client,
            messages,
            feedback_prefix: credentials.feedback_prefix.clone(),
            agency: credentials.agency.clone(),
            region: credentials.region.clone(),
        })
    }

    /// Takes the next message of a kind off the queue and acknowledges it; what else comes meanwhile is acknowledged and passed over.
    ///
    /// # Errors
    /// When it does not come in 30 seconds.
    pub async fn next(&mut self, kind: &str) -> anyhow::Result<Value> {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.messages.next())
                .await
                .with_context(|| format!("部门系统等待 {kind}"))?
                .context("队列已关闭")??;
            message.ack_with(AckKind::Ack).await.map_err(|error| anyhow::anyhow!("确认消息：{error}"))?;
            if message.subject.ends_with(kind) {
                return serde_json::from_slice(&message.payload).context("消息不是 JSON");
            }
        }
    }

    /// Publishes a feedback and waits for its receipt.
    ///
    /// # Errors
    /// When it does not come in 30 seconds.
    pub async fn feed_back(&mut self, kind: &str, instruction: &str, body: Value) -> anyhow::Result<Value> {
        self.feed_back_as(&format!("{instruction}-{kind}"), kind, instruction, body).await
    }

    /// As [`Self::feed_back`], with an id of the caller's choice.
    ///
    /// # Errors
    /// When it cannot be sent or no receipt comes.
    pub async fn feed_back_as(
        &mut self,
        id: &str,
        kind: &str,
        instruction: &str,
        body: Value,
    ) -> anyhow::Result<Value> {
        let mut feedback = json!({
            "feedbackId": id,
            "instructionId": instruction,
            "agency": self.agency,
            "region": self.region,
        });
        feedback[kind] = body;
        let subject = format!("{}.{kind}", self.feedback_prefix);
        self.client.publish(subject, serde_json::to_vec(&feedback)?.into()).await?;
        self.client.flush().await?;
        loop {
            let receipt = self.next("receipt").await?;
            if receipt["feedbackId"] == id {
                return Ok(receipt);
            }
        }
    }
}
