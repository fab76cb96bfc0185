//! Who acts, as events name it.

use dafei_kernel::{owner::Post, role::Role};
use dafei_runtime::identity::Principal;
use dafei_shell::scope;

/// The longest name of a person, in characters.
pub(crate) const NAME: usize = 100;

/// A post that acts, and the name of the person where the monthly work ledger goes by it (clause F6): of grid members and village secretaries
/// alone. Tips and rewards have no such thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Acting {
    /// The post.
    pub(crate) post: Post,
    /// Name, or the token's subject where it has none; empty for other posts.
    pub(crate) person: String,
}

impl Acting {
    /// The caller.
    pub(crate) fn of(caller: &Principal) -> Self {
        let person = match caller.role {
            Role::GridMember | Role::VillageSecretary => name(caller),
            _ => String::new(),
        };
        Self { post: scope::post(caller), person }
    }
}

/// Name of a caller, or his token's subject.
pub(crate) fn name(caller: &Principal) -> String {
    caller.name.as_deref().unwrap_or(&caller.subject).chars().take(NAME).collect()
}
