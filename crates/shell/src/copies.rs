//! Whether NATS has every copy of a service's streams. A server whose copy does not catch up serves nobody and keeps nothing safe, and the suite works on
//! with the others: nothing else would tell of it.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use async_nats::jetstream::Context;
use dafei_messaging::streams::{Copies, CopyBehind};
use tokio_util::sync::CancellationToken;

/// How often is looked.
const LOOK: Duration = Duration::from_secs(30);

/// The copies that were behind at the last look. None while that is unknown: an old figure would be taken for the present one.
#[derive(Debug, Clone, Default)]
pub(crate) struct CopiesBehind(Arc<ArcSwapOption<Vec<CopyBehind>>>);

impl CopiesBehind {
    /// How many there are.
    pub(crate) fn count(&self) -> Option<usize> {
        self.0.load().as_ref().map(|copies| copies.len())
    }

    /// Looks at the copies of these streams until `shutdown`.
    pub(crate) async fn watch(self, js: Context, streams: Vec<&'static str>, shutdown: CancellationToken) {
        let mut copies = Copies::new(streams);
        while !shutdown.is_cancelled() {
            tokio::select! {
                () = shutdown.cancelled() => {}
                found = copies.look(&js) => self.put_down(found.ok()),
            }
            // Running out is the usual end of the pause.
            let _ = tokio::time::timeout(LOOK, shutdown.cancelled()).await;
        }
    }

    /// The log names those that were not behind before, so that an operator knows where to look.
    fn put_down(&self, found: Option<Vec<CopyBehind>>) {
        let known = self.0.load_full();
        for copy in found.iter().flatten() {
            let again = known.iter().flat_map(|known| known.iter());
            if again.clone().all(|other| (other.stream, &other.server) != (copy.stream, &copy.server)) {
                let CopyBehind { stream, server, lag, offline } = copy;
                tracing::warn!(
                    stream,
                    server,
                    lag,
                    offline,
                    "a NATS server does not have its copy of the stream whole"
                );
            }
        }
        self.0.store(found.map(Arc::new));
    }
}

#[cfg(test)]
mod tests {
    use super::{CopiesBehind, CopyBehind};

    #[test]
    fn what_is_unknown_is_no_figure() {
        let copies = CopiesBehind::default();
        assert_eq!(copies.count(), None, "nobody has looked yet");
        let copy = CopyBehind { stream: "DAFEI_INTAKE", server: "n2".to_owned(), lag: 7, offline: false };
        copies.put_down(Some(vec![copy]));
        assert_eq!(copies.count(), Some(1));
        copies.put_down(None);
        assert_eq!(copies.count(), None, "NATS did not answer");
        copies.put_down(Some(Vec::new()));
        assert_eq!(copies.count(), Some(0));
    }
}
