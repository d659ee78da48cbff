//! The task that sends: a queue, and as many requests at once as are useful.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::Client;
use tokio::{
    sync::mpsc,
    task::{Id, JoinError, JoinSet},
    time::Instant,
};
use tracing::{debug, error, warn};
use voxsync_crds::code_sync::NotificationChannel;
use voxsync_notification::{Due, Ended, Failure, Queue, Sender, compose};
use voxsync_promotion::EventKind;

use super::letter::Letter;
use crate::{
    controller::events,
    credentials::notification_destination,
    key::CodeSyncKey,
    look::{
        Tools,
        place::{Access, SecretName},
    },
};

/// How many letters are on their way at once.
const AT_ONCE: usize = 8;
/// How long to sleep if nothing is due.
const LONGEST_SLEEP: Duration = Duration::from_hours(1);

/// Where letters go. All CodeSyncs of a namespace that name the same Secret write to the same place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    namespace: String,
    channel: NotificationChannel,
    secret: String,
}

type Sent = Result<(), Failure>;

/// See the module.
pub(super) struct Office {
    client: Client,
    tools: Arc<Tools>,
    sender: Sender,
    queue: Queue<Place, CodeSyncKey, Arc<Letter>>,
    sending: JoinSet<Sent>,
    /// Whose a task is, and what it sends.
    under_way: HashMap<Id, Due<Place, Arc<Letter>>>,
}

impl Office {
    pub(super) fn new(client: Client, tools: Arc<Tools>, user_agent: String) -> Self {
        Self {
            client,
            tools,
            sender: Sender::new(user_agent),
            queue: Queue::default(),
            sending: JoinSet::new(),
            under_way: HashMap::new(),
        }
    }

    /// Sends until nobody gives letters any more and none is left.
    pub(super) async fn run(mut self, mut letters: mpsc::Receiver<Letter>) {
        let mut is_open = true;
        while is_open || !self.queue.is_empty() {
            self.send_due();
            let is_full = self.sending.len() >= AT_ONCE;
            let due = self.queue.next_due().filter(|_| !is_full);
            let sleep = due.map_or(LONGEST_SLEEP, |due| due.saturating_duration_since(Instant::now()));
            tokio::select! {
                letter = letters.recv(), if is_open => match letter {
                    Some(letter) => self.put(letter),
                    None => is_open = false,
                },
                Some(sent) = self.sending.join_next_with_id() => self.ended(sent).await,
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }

    fn put(&mut self, letter: Letter) {
        let (key, channel) = (letter.key.clone(), letter.notification.channel);
        let place = Place {
            namespace: key.namespace.clone(),
            channel,
            secret: letter.notification.secret_ref.name.clone(),
        };
        for _ in 0..self.queue.put(&place, key.clone(), Arc::new(letter), Instant::now()) {
            self.tools.metrics.notified(channel, "left_out");
            debug!(code_sync = %key, ?channel, "there are more notifications than may be sent; one was left out");
        }
    }

    fn send_due(&mut self) {
        while self.sending.len() < AT_ONCE
            && let Some(due) = self.queue.take(Instant::now())
        {
            let (tools, sender) = (Arc::clone(&self.tools), self.sender.clone());
            let (letter, left_out) = (Arc::clone(&due.letter), due.left_out);
            let task = self.sending.spawn(async move { send(&tools, &sender, &letter, left_out).await });
            self.under_way.insert(task.id(), due);
        }
    }

    async fn ended(&mut self, sent: Result<(Id, Sent), JoinError>) {
        let (task, sent) = sent.unwrap_or_else(|broken| {
            error!(error = %broken, "the sending of a notification broke off");
            (broken.id(), Err(Failure::passing("the sending broke off".to_owned())))
        });
        let Some(Due { place, .. }) = self.under_way.remove(&task) else { return };
        let (channel, metrics) = (place.channel, self.tools.metrics.clone());
        match self.queue.ended(&place, sent.as_ref().map(drop), Instant::now()) {
            Ended::Sent => metrics.notified(channel, "sent"),
            Ended::Failed(lost) => {
                let reason = sent.err().map(|failure| failure.to_string()).unwrap_or_default();
                if lost.is_empty() {
                    metrics.notified(channel, "retried");
                    debug!(secret = place.secret, ?channel, reason, "a notification is tried again later");
                }
                for lost in lost {
                    metrics.notified(channel, "failed");
                    if lost.is_news {
                        self.complain(&lost.letter, &reason).await;
                    }
                }
            }
        }
    }

    /// Says once that letters of a CodeSync do not arrive.
    async fn complain(&self, letter: &Letter, reason: &str) {
        let Letter { key, uid, number, notification, .. } = letter;
        let secret = &notification.secret_ref.name;
        warn!(code_sync = %key, channel = ?notification.channel, secret, reason, "a notification did not arrive");
        let message = format!(
            "spec.notifications[{number}] (Secret {secret}) does not arrive: {reason}. Further ones are tried all the same"
        );
        let about = (key, uid.as_str());
        events::publish(
            &self.client,
            about,
            EventKind::Warning,
            "NotificationFailed",
            &message,
            Timestamp::now(),
        )
        .await;
    }
}

/// Sends one letter, with what its Secrets hold now.
async fn send(tools: &Tools, sender: &Sender, letter: &Letter, left_out: usize) -> Sent {
    let Letter { key, notification, template, news, .. } = letter;
    let secret = SecretName { namespace: &key.namespace, name: &notification.secret_ref.name };
    let certificate = notification.cert_secret_ref.as_ref().map(|secret| secret.name.as_str());
    let access = Access::new(&key.namespace, Some(secret.name), certificate, false);
    let found = async {
        let keys = tools.secrets.get(secret).await?;
        let destination = notification_destination(&keys, notification.channel)?;
        Ok((destination, tools.secrets.tls(&access).await?))
    };
    let found: Result<_, crate::credentials::CredentialProblem> = found.await;
    let sent = match found {
        Ok((destination, tls)) => {
            let composed = compose(notification.channel, news, template.as_ref(), left_out);
            sender.send(&destination, tls.authorities.as_deref(), &composed, news.at).await
        }
        Err(problem) => Err(Failure::passing(problem.to_string())),
    };
    if sent.is_err() {
        // Somebody may be mending it.
        tools.secrets.forget_all(&access);
    }
    sent
}
