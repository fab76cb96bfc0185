//! A file that is read while it arrives: what is held of it is its rows, and a few chunks on their way.

use std::io::{self, Read};

use bytes::{Buf as _, Bytes};
use dafei_intake_core::roster::{File, Parsed, read};
use dafei_runtime::status::Fault;
use sha2::{Digest as _, Sha256};
use tokio::{sync::mpsc, task::JoinHandle};

/// Most bytes of a message's part.
const MAX_CHUNK: usize = 1024 * 1024;

/// Most bytes of a file; the villages of the whole country have about 40 MiB.
const MAX_FILE: usize = 128 * 1024 * 1024;

/// Chunks that wait for the reader; who sends more waits.
const WAITING: usize = 4;

/// A file that arrives.
pub(crate) struct Upload {
    chunks: mpsc::Sender<Bytes>,
    reading: JoinHandle<Parsed>,
    hash: Sha256,
    size: usize,
}

impl Upload {
    /// Begins to read a file of a kind.
    pub(crate) fn begin(file: File) -> Self {
        let (chunks, arriving) = mpsc::channel(WAITING);
        let reading = tokio::task::spawn_blocking(move || read(file, Arriving { arriving, chunk: Bytes::new() }));
        let kind: &[u8] = match file {
            File::Regions => b"regions\n",
            File::Holders => b"holders\n",
            File::Enterprises => b"enterprises\n",
        };
        Self { chunks, reading, hash: Sha256::new_with_prefix(kind), size: 0 }
    }

    /// Adds a part.
    ///
    /// # Errors
    /// `TOO_LARGE`.
    pub(crate) async fn add(&mut self, chunk: Bytes) -> Result<(), Fault> {
        let too_large = |what: &str, limit: usize| {
            let limit = limit / 1024 / 1024;
            Fault::field("chunk", "TOO_LARGE", format!("{what} has more than {limit} MiB"), format!("超过{limit}MB"))
        };
        if chunk.len() > MAX_CHUNK {
            return Err(too_large("a message", MAX_CHUNK));
        }
        self.size += chunk.len();
        if self.size > MAX_FILE {
            return Err(too_large("the file", MAX_FILE));
        }
        self.hash.update(&chunk);
        // The reader takes all; it is gone only if it broke, which its result tells.
        let _taken = self.chunks.send(chunk).await;
        Ok(())
    }

    /// The rows, and the hash of kind and bytes.
    ///
    /// # Errors
    /// When the reader broke.
    pub(crate) async fn end(self) -> Result<(Parsed, [u8; 32]), Fault> {
        drop(self.chunks);
        let parsed = self.reading.await.map_err(Fault::internal)?;
        Ok((parsed, self.hash.finalize().into()))
    }
}

/// The chunks as something to read from.
struct Arriving {
    arriving: mpsc::Receiver<Bytes>,
    chunk: Bytes,
}

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            let Some(chunk) = self.arriving.blocking_recv() else { return Ok(0) };
            self.chunk = chunk;
        }
        let size = self.chunk.len().min(buffer.len());
        self.chunk.copy_to_slice(&mut buffer[..size]);
        Ok(size)
    }
}
