//! The database's roles: the only way to what they may see. A transaction takes a role, does what the role may do, and goes back to the
//! service's own login for events and answers; what the role has no grant on, it cannot touch, whatever a statement says.

use std::marker::PhantomData;

use sqlx::PgConnection;

/// A role of the database.
pub(crate) trait Duty {
    /// The statement that takes it until the transaction ends.
    const TAKE: &'static str;
}

/// Who handles tips and announces rewards: tips and announcements, no codes, no claims.
pub(crate) enum Officer {}
/// Who pays: what is offered, the codes' hashes and the claims, no tips.
pub(crate) enum Bank {}
/// Everyone: what is published.
pub(crate) enum Public {}
/// Who looks into refused claims.
pub(crate) enum Auditor {}

impl Duty for Officer {
    const TAKE: &'static str = "SET LOCAL ROLE dafei_intake_officer";
}

impl Duty for Bank {
    const TAKE: &'static str = "SET LOCAL ROLE dafei_intake_bank";
}

impl Duty for Public {
    const TAKE: &'static str = "SET LOCAL ROLE dafei_intake_public";
}

impl Duty for Auditor {
    const TAKE: &'static str = "SET LOCAL ROLE dafei_intake_auditor";
}

/// A transaction's connection under a role. Statements that need the role take this instead of a connection.
pub(crate) struct Acting<'c, D> {
    conn: &'c mut PgConnection,
    duty: PhantomData<D>,
}

impl<'c, D: Duty> Acting<'c, D> {
    /// Takes the role. The connection must be in a transaction: the role ends with it.
    pub(crate) async fn take(conn: &'c mut PgConnection) -> sqlx::Result<Self> {
        sqlx::query(D::TAKE).execute(&mut *conn).await?;
        Ok(Self { conn, duty: PhantomData })
    }

    /// Where statements go.
    pub(crate) fn conn(&mut self) -> &mut PgConnection {
        self.conn
    }

    /// Back to the service's own login.
    pub(crate) async fn leave(self) -> sqlx::Result<()> {
        sqlx::query("SET LOCAL ROLE NONE").execute(self.conn).await?;
        Ok(())
    }
}
