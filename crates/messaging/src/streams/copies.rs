//! Whether every server that keeps a copy of a stream has it.

use std::collections::HashMap;

use async_nats::jetstream::{Context, stream::PeerInfo};

use super::{StreamError, is_missing};

/// So many operations behind the leader is more than a copy lags while it takes part: an acknowledgement waits for a majority, and what the others
/// lack then is under way.
const LAG: u64 = 100;

/// A copy of a stream that its server does not have as the leader has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyBehind {
    /// Name of the stream.
    pub stream: &'static str,
    /// Name of the server; empty where the stream has too few.
    pub server: String,
    /// How many operations it lacks, as the leader counts them; 0 when the leader does not know.
    pub lag: u64,
    /// The leader hears nothing of it.
    pub offline: bool,
}

/// Looks at the copies of streams, time and again.
#[derive(Debug)]
pub struct Copies {
    streams: Vec<&'static str>,
    /// What each stream was at the last look.
    known: HashMap<&'static str, Look>,
}

/// A stream at a look.
#[derive(Debug, Clone, Default)]
struct Look {
    /// Where it ended.
    end: u64,
    /// The copies that were behind.
    behind: Vec<CopyBehind>,
}

impl Copies {
    /// Of these streams.
    #[must_use]
    pub fn new(streams: Vec<&'static str>) -> Self {
        Self { streams, known: HashMap::new() }
    }

    /// The copies that are behind by now. A stream that is not there has none: others tell of that. Of one whose leader does not answer those of the
    /// last look are told.
    ///
    /// # Errors
    /// When no stream's leader answers.
    pub async fn look(&mut self, js: &Context) -> Result<Vec<CopyBehind>, StreamError> {
        let (mut answered, mut failure) = (false, None);
        for stream in &self.streams {
            match js.get_stream(*stream).await {
                Ok(found) => {
                    let info = found.cached_info();
                    // Without a cluster there are none.
                    let copies = info.cluster.as_ref().map_or(&[][..], |cluster| &cluster.replicas);
                    let wanted = if info.cluster.is_some() { info.config.num_replicas } else { 1 };
                    let look = look(stream, self.known.get(stream), info.state.last_sequence, copies, wanted);
                    self.known.insert(stream, look);
                    answered = true;
                }
                Err(error) if is_missing(&error) => {
                    self.known.remove(stream);
                    answered = true;
                }
                Err(error) => failure = Some(StreamError::Server { stream, reason: error.to_string() }),
            }
        }
        match failure {
            Some(error) if !answered => Err(error),
            _ => Ok(self
                .streams
                .iter()
                .filter_map(|stream| self.known.get(stream))
                .flat_map(|look| look.behind.clone())
                .collect()),
        }
    }
}

/// A stream as it is now, after the last look: it ends at `end`, and beside the leader's there are these copies of the `wanted` ones.
fn look(stream: &'static str, last: Option<&Look>, end: u64, copies: &[PeerInfo], wanted: usize) -> Look {
    let still = last.is_some_and(|last| last.end == end);
    let was_behind =
        |copy: &PeerInfo| last.is_some_and(|last| last.behind.iter().any(|known| known.server == copy.name));
    let behind = copies.iter().filter(|copy| is_behind(copy, still || was_behind(copy))).map(|copy| CopyBehind {
        stream,
        server: copy.name.clone(),
        lag: copy.lag.unwrap_or_default(),
        offline: copy.offline,
    });
    let missing = CopyBehind { stream, server: String::new(), lag: 0, offline: false };
    let missing = std::iter::repeat_n(missing, wanted.saturating_sub(copies.len() + 1));
    Look { end, behind: behind.chain(missing).collect() }
}

/// While a stream is written to, a copy that takes part may be some operations behind at any moment. One that `has_to` have all, because nothing was
/// written since the last look or it was behind by then, is behind until it has.
fn is_behind(copy: &PeerInfo, has_to: bool) -> bool {
    copy.offline || copy.lag.unwrap_or_default() >= LAG || (has_to && !copy.current)
}

#[cfg(test)]
mod tests {
    use async_nats::jetstream::stream::PeerInfo;

    use super::{LAG, Look, look};

    const STREAM: &str = "DAFEI_INTAKE";

    fn copy(current: bool, lag: u64) -> PeerInfo {
        PeerInfo { name: "n2".to_owned(), current, lag: Some(lag), ..PeerInfo::default() }
    }

    fn servers(look: &Look) -> Vec<&str> {
        look.behind.iter().map(|copy| copy.server.as_str()).collect()
    }

    /// The looks at a stream of two copies that ends there and has this one beside the leader's: who is behind at each.
    fn looks(each: &[(u64, PeerInfo)]) -> Vec<bool> {
        let mut last = None;
        let mut found = Vec::new();
        for (end, copy) in each {
            let now = look(STREAM, last.as_ref(), *end, std::slice::from_ref(copy), 2);
            found.push(servers(&now) == ["n2"]);
            last = Some(now);
        }
        found
    }

    #[test]
    fn a_copy_that_takes_part_is_not_behind_while_the_stream_is_written_to() {
        assert_eq!(looks(&[(1, copy(false, 1)), (2, copy(false, LAG - 1)), (3, copy(true, 0))]), [false, false, false]);
        assert_eq!(looks(&[(1, copy(false, LAG))]), [true]);
    }

    #[test]
    fn a_copy_of_a_stream_that_stands_still_has_all_of_it_or_is_behind() {
        assert_eq!(looks(&[(1, copy(false, 1)), (1, copy(false, 1)), (1, copy(true, 0))]), [false, true, false]);
    }

    #[test]
    fn a_copy_that_is_behind_stays_so_until_it_has_caught_up() {
        assert_eq!(
            looks(&[
                (1, copy(false, 1)),
                (1, copy(false, 1)),
                (2, copy(false, 2)),
                (3, copy(true, 0)),
                (4, copy(false, 1))
            ]),
            [false, true, true, false, false]
        );
    }

    #[test]
    fn a_copy_that_the_leader_hears_nothing_of_is_behind() {
        assert_eq!(looks(&[(1, PeerInfo { offline: true, ..copy(true, 0) })]), [true]);
    }

    #[test]
    fn a_copy_that_nobody_has_is_missing() {
        assert_eq!(servers(&look(STREAM, None, 1, &[copy(true, 0)], 3)), [""]);
        assert_eq!(servers(&look(STREAM, None, 1, &[], 1)), Vec::<&str>::new());
    }
}
