//! `timestamptz` columns as the suite's instants: sqlx knows no jiff type.

use dafei_kernel::time::Instant;
use sqlx::{
    Decode, Encode, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueFormat, PgValueRef, types::Oid},
};

/// 2000-01-01T00:00:00Z, PostgreSQL's epoch, in microseconds of the Unix epoch.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
const TIMESTAMPTZ: Oid = Oid(1184);
const TIMESTAMPTZ_ARRAY: Oid = Oid(1185);

/// An instant bound to or read from a `timestamptz`; what is finer than a microsecond is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PgInstant(pub Instant);

impl From<Instant> for PgInstant {
    fn from(instant: Instant) -> Self {
        Self(instant)
    }
}

impl From<PgInstant> for Instant {
    fn from(instant: PgInstant) -> Self {
        instant.0
    }
}

impl Type<Postgres> for PgInstant {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TIMESTAMPTZ)
    }
}

impl PgHasArrayType for PgInstant {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TIMESTAMPTZ_ARRAY)
    }
}

impl Encode<'_, Postgres> for PgInstant {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        // jiff rounds towards zero; before 1970 the floor is one microsecond earlier.
        let nanos = self.0.as_nanosecond().div_euclid(1_000);
        let micros = i64::try_from(nanos)? - EPOCH_MICROS;
        Encode::<Postgres>::encode(micros, buffer)
    }

    fn size_hint(&self) -> usize {
        size_of::<i64>()
    }
}

impl<'r> Decode<'r, Postgres> for PgInstant {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        match value.format() {
            PgValueFormat::Binary => {
                let micros: i64 = Decode::<Postgres>::decode(value)?;
                let micros = micros.checked_add(EPOCH_MICROS).ok_or("an infinite timestamp is no instant")?;
                Ok(Self(Instant::from_microsecond(micros)?))
            }
            PgValueFormat::Text => Ok(Self(value.as_str()?.parse()?)),
        }
    }
}
