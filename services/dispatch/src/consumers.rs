//! What dispatch takes from the bus: intake's events, the agencies' feedback, and the acknowledgements of their consumers.

mod acks;
mod feedback;
mod intake;
mod lights;
mod links;
mod tips;

pub use acks::{ACKS_STREAM, Acks, acks_stream};
pub use feedback::{FeedbackHandler, feedback_stream};
pub use intake::IntakeHandler;
pub use lights::Lights;
pub(crate) use links::Link;

use dafei_messaging::{batch::BatchFailure, consumer::HandlerError};

/// Name of dispatch as a consumer, and key of its marks.
pub(crate) const NAME: &str = "dispatch";

/// A batch that could not be written: the consumer loop knows by the database's error whether to try again.
fn retry(failure: BatchFailure) -> HandlerError {
    match failure {
        BatchFailure::Data(error)
        | BatchFailure::TooLong(error)
        | BatchFailure::Unavailable(error)
        | BatchFailure::Unknown(error) => error.into(),
    }
}
