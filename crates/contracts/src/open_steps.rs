//! Digests of open steps: what intake and dispatch tell of their own, and the SLA monitor computes of its clocks, so that what agrees need not be
//! listed.

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Number of buckets of cases.
pub const BUCKETS: u32 = 256;

/// The bucket of a case: the last byte of its id.
#[must_use]
pub const fn bucket(case: Uuid) -> u32 {
    case.as_bytes()[15] as u32
}

/// The digest of a bucket's steps, in the order of case, clock and instruction.
#[derive(Debug, Clone, Default)]
pub struct Digest {
    hash: Sha256,
    steps: i64,
}

impl Digest {
    /// Adds a step: its case with the sequence of the last event that was published of it, its clock, and its instruction where it is one's.
    pub fn add(&mut self, case: Uuid, version: i64, clock: &str, instruction: Option<Uuid>) {
        let instruction = instruction.map(|id| id.to_string()).unwrap_or_default();
        self.hash.update(format!("{case} {version} {clock} {instruction}\n"));
        self.steps += 1;
    }

    /// How many steps were added.
    #[must_use]
    pub const fn steps(&self) -> i64 {
        self.steps
    }

    /// SHA-256 over them, lower-case hex.
    #[must_use]
    pub fn finish(self) -> String {
        self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Digest, bucket};
    use uuid::Uuid;

    #[test]
    fn a_digest_is_over_lines_of_case_version_clock_and_instruction() {
        let case = Uuid::from_u128(0x1234);
        let mut digest = Digest::default();
        digest.add(case, 4, "K3", Some(Uuid::from_u128(1)));
        digest.add(case, 4, "T1", None);
        assert_eq!((digest.steps(), bucket(case)), (2, 0x34));
        // printf '%s 4 K3 %s\n%s 4 T1 \n' … | sha256sum
        assert_eq!(digest.finish(), "ddac6562b0e824cdd2ec7536f592668ef6b3b21f739f10793822a7a9faab1484");
    }
}
