//! An agency's own system: it knows NATS, its credentials and the JSON of instructions and feedback, nothing else.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use async_nats::jetstream::{self, AckKind, consumer::PullConsumer};
use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::{agency::Credentials, client};

/// How long the system waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// How soon a connection that has died without a word is noticed.
const PING: Duration = Duration::from_secs(5);
/// How long the bus may take to say that it has something.
const ANSWER: Duration = Duration::from_secs(5);

/// What the credentials open: the system's own queue, and the subjects of its feedback. A connection that was lost is made again, without end.
#[derive(Debug, Clone)]
pub struct Access {
    client: async_nats::Client,
    context: jetstream::Context,
    credentials: Credentials,
}

impl Access {
    /// Connects with the credentials that the system was given.
    ///
    /// # Errors
    /// When no server lets it in.
    pub async fn connect(credentials: &Credentials) -> anyhow::Result<Self> {
        Self::answered_within(credentials, ANSWER).await
    }

    async fn answered_within(credentials: &Credentials, answer: Duration) -> anyhow::Result<Self> {
        let client =
            async_nats::ConnectOptions::with_user_and_password(credentials.user.clone(), credentials.password.clone())
                .max_reconnects(None)
                .ping_interval(PING)
                .request_timeout(Some(answer))
                .connect(client::servers(&credentials.url))
                .await
                .context("部门系统连接消息总线")?;
        let context =
            jetstream::context::ContextBuilder::new().api_prefix(credentials.api_prefix).build(client.clone());
        Ok(Self { client, context, credentials: credentials.clone() })
    }

    /// The queue, which is there from the registration on.
    ///
    /// # Errors
    /// When it is not, or the bus does not answer.
    pub async fn queue(&self) -> anyhow::Result<PullConsumer> {
        let Credentials { durable, stream, .. } = &self.credentials;
        self.context.get_consumer_from_stream(durable, stream).await.context("部门系统找到自己的队列")
    }

    /// Publishes a feedback, and returns when the bus has it: whether it is taken, its receipt says.
    ///
    /// # Errors
    /// When the bus does not say that it has it. It may have it all the same.
    pub async fn send(&self, id: &str, kind: &str, instruction: &str, body: Value) -> anyhow::Result<()> {
        let Credentials { feedback_prefix, agency, region, .. } = &self.credentials;
        let mut feedback = json!({"feedbackId": id, "instructionId": instruction, "agency": agency, "region": region});
        feedback[kind] = body;
        let payload = serde_json::to_vec(&feedback)?;
        let answer = self.client.request(format!("{feedback_prefix}.{kind}"), payload.into()).await?;
        let stored: Value = serde_json::from_slice(&answer.payload).context("消息总线的回答不是 JSON")?;
        ensure!(stored["seq"].is_u64(), "消息总线没有收下反馈：{stored}");
        Ok(())
    }
}

/// The connected system, which reads its queue.
pub struct AgencySystem {
    access: Access,
    messages: jetstream::consumer::pull::Stream,
}

impl AgencySystem {
    /// Connects with the credentials that the system was given.
    ///
    /// # Errors
    /// When the server or the queue cannot be reached.
    pub async fn connect(credentials: &Credentials) -> anyhow::Result<Self> {
        let access = Access::answered_within(credentials, PATIENCE).await?;
        let messages = access.queue().await?.stream().max_messages_per_batch(1).messages().await?;
        Ok(Self { access, messages })
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
        self.access.send(id, kind, instruction, body).await?;
        loop {
            let receipt = self.next("receipt").await?;
            if receipt["feedbackId"] == id {
                return Ok(receipt);
            }
        }
    }
}
