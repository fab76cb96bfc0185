//! Wire <-> kernel. Each error names the field.

use std::str::FromStr;

use dafei_kernel::{
    act::Act,
    agency::Agency,
    credit_code::CreditCode,
    industry::Industry,
    owner::{Owner, Post},
    region::Region,
    role::Role,
    sector::Sector,
    subject::{Position, Subject},
    time::Instant,
};
use uuid::Uuid;

use crate::{timestamp::Timestamp, types::v1 as pb};

mod inspection;
mod measure;

pub use dafei_kernel::time::EARLIEST;
pub use inspection::{Inspected, inspection, known_subject};
pub use measure::{accessory, accident, compliance, exemption, measure};

/// Characters of a caller's text that come back in an error.
const SHOWN: usize = 40;

/// Largest whole text, in bytes.
const DOCUMENT: usize = 256 * 1024;

/// A field that is missing or malformed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {description}")]
pub struct ConvertError {
    /// Path of the field, for example `subject.enterprise.credit_code`.
    pub field: String,
    /// Stable reason: `REQUIRED`, `INVALID`, or `UNKNOWN_…` for codes.
    pub reason: &'static str,
    /// For developers.
    pub description: String,
    /// For clerks.
    pub description_zh: String,
}

impl ConvertError {
    /// The field is not given.
    #[must_use]
    pub fn required(field: &str) -> Self {
        Self {
            field: field.to_owned(),
            reason: "REQUIRED",
            description: "is required".to_owned(),
            description_zh: "必须填写".to_owned(),
        }
    }

    /// The field is malformed.
    #[must_use]
    pub fn invalid(field: &str, description: &str) -> Self {
        Self {
            field: field.to_owned(),
            reason: "INVALID",
            description: description.to_owned(),
            description_zh: "填写有误".to_owned(),
        }
    }

    /// The field holds a code that is not in its list.
    #[must_use]
    pub fn unknown(field: &str, reason: &'static str, code: &str, what_zh: &str) -> Self {
        let code = shown(code);
        Self {
            field: field.to_owned(),
            reason,
            description: format!("{code:?} is not known"),
            description_zh: format!("没有这个{what_zh}：{code}"),
        }
    }

    /// The same error, with the field below another.
    #[must_use]
    pub fn under(mut self, parent: &str) -> Self {
        self.field = format!("{parent}.{}", self.field);
        self
    }
}

/// As much of a caller's text as helps to find it: an answer is not the place to send it all back.
#[must_use]
pub fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// Takes what an optional field holds, or says which is missing.
pub trait Field<T> {
    /// The value.
    ///
    /// # Errors
    /// When there is none.
    fn required(self, field: &str) -> Result<T, ConvertError>;
}

impl<T> Field<T> for Option<T> {
    fn required(self, field: &str) -> Result<T, ConvertError> {
        self.ok_or_else(|| ConvertError::required(field))
    }
}

fn code<T: FromStr>(field: &str, text: &str, reason: &'static str, what_zh: &str) -> Result<T, ConvertError> {
    if text.is_empty() {
        return Err(ConvertError::required(field));
    }
    text.parse().map_err(|_| ConvertError::unknown(field, reason, text, what_zh))
}

/// A UUID.
///
/// # Errors
/// When the text is none.
pub fn uuid(field: &str, text: &str) -> Result<Uuid, ConvertError> {
    if text.is_empty() {
        return Err(ConvertError::required(field));
    }
    Uuid::parse_str(text).map_err(|_| ConvertError::invalid(field, "is no UUID"))
}

/// An act code.
///
/// # Errors
/// `UNKNOWN_ACT` when it is not in the list.
pub fn act(field: &str, text: &str) -> Result<Act, ConvertError> {
    code(field, text, "UNKNOWN_ACT", "非法行为代码")
}

/// An agency code.
///
/// # Errors
/// `UNKNOWN_AGENCY` when it is not one of the 14.
pub fn agency(field: &str, text: &str) -> Result<Agency, ConvertError> {
    code(field, text, "UNKNOWN_AGENCY", "部门代码")
}

/// An agency code that may be empty.
///
/// # Errors
/// `UNKNOWN_AGENCY` when it is given and not one of the 14.
pub fn optional_agency(field: &str, text: &str) -> Result<Option<Agency>, ConvertError> {
    if text.is_empty() { Ok(None) } else { agency(field, text).map(Some) }
}

/// An instant.
///
/// # Errors
/// When it is not given or out of range.
pub fn instant(field: &str, at: Option<Timestamp>) -> Result<Instant, ConvertError> {
    Instant::try_from(at.required(field)?).map_err(|_| ConvertError::invalid(field, "is out of range"))
}

/// An instant that may be missing.
///
/// # Errors
/// When it is given and out of range.
pub fn optional_instant(field: &str, at: Option<Timestamp>) -> Result<Option<Instant>, ConvertError> {
    at.map(|at| instant(field, Some(at))).transpose()
}

/// A region, whose parts are named below `field`.
///
/// # Errors
/// When it is missing, its level unknown or its code malformed.
pub fn region(field: &str, wire: Option<&pb::Region>) -> Result<Region, ConvertError> {
    Region::try_from(wire.required(field)?).map_err(|error| error.under(field))
}

/// A subject, whose parts are named below `field`.
///
/// # Errors
/// When it is missing or a part is malformed.
pub fn subject(field: &str, wire: Option<&pb::Subject>) -> Result<Subject, ConvertError> {
    Subject::try_from(wire.required(field)?).map_err(|error| error.under(field))
}

impl TryFrom<&pb::Region> for Region {
    type Error = ConvertError;

    fn try_from(wire: &pb::Region) -> Result<Self, ConvertError> {
        let level = code("level", &wire.level, "UNKNOWN_LEVEL", "行政级别")?;
        Self::new(level, &wire.code).map_err(|error| ConvertError {
            field: "code".to_owned(),
            reason: "INVALID_REGION_CODE",
            description: error.to_string(),
            description_zh: format!("行政区划代码有误：{}", shown(&wire.code)),
        })
    }
}

impl From<&Region> for pb::Region {
    fn from(region: &Region) -> Self {
        Self { level: region.level().code().to_owned(), code: region.code().to_string() }
    }
}

impl TryFrom<&pb::Post> for Post {
    type Error = ConvertError;

    fn try_from(wire: &pb::Post) -> Result<Self, ConvertError> {
        Ok(Self {
            role: code::<Role>("role", &wire.role, "UNKNOWN_ROLE", "岗位")?,
            region: region("region", wire.region.as_ref())?,
            agency: optional_agency("agency", &wire.agency)?,
        })
    }
}

impl From<&Post> for pb::Post {
    fn from(post: &Post) -> Self {
        Self {
            role: post.role.code().to_owned(),
            region: Some((&post.region).into()),
            agency: post.agency.map(|agency| agency.code().to_owned()).unwrap_or_default(),
        }
    }
}

impl TryFrom<&pb::Owner> for Owner {
    type Error = ConvertError;

    fn try_from(wire: &pb::Owner) -> Result<Self, ConvertError> {
        let post = Post::try_from(wire.post.as_ref().required("post")?).map_err(|error| error.under("post"))?;
        Ok(Self { post, persons: wire.persons.clone() })
    }
}

impl From<&Owner> for pb::Owner {
    fn from(owner: &Owner) -> Self {
        Self { post: Some((&owner.post).into()), persons: owner.persons.clone() }
    }
}

impl TryFrom<&pb::Position> for Position {
    type Error = ConvertError;

    fn try_from(wire: &pb::Position) -> Result<Self, ConvertError> {
        Self::new(wire.latitude_e7, wire.longitude_e7)
            .map_err(|error| ConvertError::invalid("position", &error.to_string()))
    }
}

impl From<&Position> for pb::Position {
    fn from(position: &Position) -> Self {
        Self { latitude_e7: position.lat_e7(), longitude_e7: position.lon_e7() }
    }
}

/// An industry code; general when empty.
///
/// # Errors
/// `UNKNOWN_INDUSTRY` when it is not in the list.
pub fn industry(field: &str, text: &str) -> Result<Industry, ConvertError> {
    if text.is_empty() {
        return Ok(Industry::General);
    }
    code(field, text, "UNKNOWN_INDUSTRY", "行业代码")
}

impl TryFrom<&pb::Subject> for Subject {
    type Error = ConvertError;

    fn try_from(wire: &pb::Subject) -> Result<Self, ConvertError> {
        match wire.kind.as_ref().required("kind")? {
            pb::subject::Kind::Enterprise(enterprise) => {
                enterprise_subject(enterprise).map_err(|error| error.under("enterprise"))
            }
            pb::subject::Kind::Den(den) => den_subject(den).map_err(|error| error.under("den")),
        }
    }
}

fn enterprise_subject(wire: &pb::Enterprise) -> Result<Subject, ConvertError> {
    let credit_code = CreditCode::parse(&wire.credit_code).map_err(|error| ConvertError {
        field: "credit_code".to_owned(),
        reason: "INVALID_CREDIT_CODE",
        description: error.to_string(),
        description_zh: format!("统一社会信用代码有误：{}", shown(&wire.credit_code)),
    })?;
    let name = bounded("name", &wire.name, 200)?;
    Ok(Subject::Enterprise {
        credit_code,
        name,
        regulator: optional_agency("regulator", &wire.regulator)?,
        industry: industry("industry", &wire.industry)?,
    })
}

fn den_subject(wire: &pb::Den) -> Result<Subject, ConvertError> {
    Ok(Subject::Den {
        place: bounded("place", &wire.place, 500)?,
        position: wire.position.as_ref().map(Position::try_from).transpose()?,
        industry: industry("industry", &wire.industry)?,
    })
}

impl From<&Subject> for pb::Subject {
    fn from(subject: &Subject) -> Self {
        let kind = match subject {
            Subject::Enterprise { credit_code, name, regulator, industry } => {
                pb::subject::Kind::Enterprise(pb::Enterprise {
                    credit_code: credit_code.to_string(),
                    name: name.clone(),
                    industry: industry.code().to_owned(),
                    regulator: regulator.map(|agency| agency.code().to_owned()).unwrap_or_default(),
                })
            }
            Subject::Den { place, position, industry } => pb::subject::Kind::Den(pb::Den {
                place: place.clone(),
                position: position.as_ref().map(Into::into),
                industry: industry.code().to_owned(),
            }),
        };
        Self { kind: Some(kind) }
    }
}

/// A sector code.
///
/// # Errors
/// `UNKNOWN_SECTOR` when it is not one of the 8.
pub fn sector(field: &str, text: &str) -> Result<Sector, ConvertError> {
    code(field, text, "UNKNOWN_SECTOR", "领域代码")
}

/// A text that is required and has at most `max` characters (Unicode scalar values, not bytes). Surrounding white space goes.
///
/// # Errors
/// `REQUIRED` when blank, `TOO_LONG` over the limit, `INVALID` with a control character other than tab and line feeds.
pub fn bounded(field: &str, text: &str, max: usize) -> Result<String, ConvertError> {
    let text = optional_text(field, text, max)?;
    if text.is_empty() { Err(ConvertError::required(field)) } else { Ok(text) }
}

/// A whole text that an office hands in, of rules, a calendar or a table: not blank and at most 256 KiB.
///
/// # Errors
/// `REQUIRED` when blank, `TOO_LONG` over the limit, `INVALID` with a control character other than tab and line feeds.
pub fn document(field: &str, text: &str) -> Result<(), ConvertError> {
    if text.trim().is_empty() {
        return Err(ConvertError::required(field));
    }
    if text.len() > DOCUMENT {
        return Err(ConvertError {
            field: field.to_owned(),
            reason: "TOO_LONG",
            description: "is larger than 256 KiB".to_owned(),
            description_zh: "文本超过256KB".to_owned(),
        });
    }
    printable(field, text)
}

/// A text that may be empty and has at most `max` characters.
///
/// # Errors
/// `TOO_LONG` over the limit, `INVALID` with a control character other than tab and line feeds.
pub fn optional_text(field: &str, text: &str, max: usize) -> Result<String, ConvertError> {
    let text = text.trim();
    if text.chars().count() > max {
        return Err(ConvertError {
            field: field.to_owned(),
            reason: "TOO_LONG",
            description: format!("has more than {max} characters"),
            description_zh: format!("超过{max}个字"),
        });
    }
    printable(field, text)?;
    Ok(text.to_owned())
}

fn printable(field: &str, text: &str) -> Result<(), ConvertError> {
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(ConvertError::invalid(field, "has control characters"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
