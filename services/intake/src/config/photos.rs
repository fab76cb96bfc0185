//! Where the bytes of photos lie.

use std::path::PathBuf;

use dafei_runtime::config::{
    Checked, Pending, Reader, Secret,
    parse::{self, Parsed},
};

use crate::objects::{Bucket, Place};

/// The setting's address, before its key is known.
enum Address {
    Directory(PathBuf),
    Bucket { name: String, prefix: String },
}

/// The settings that were asked for.
pub(super) struct Asked {
    address: Pending<Address>,
    endpoint: Pending<Option<String>>,
    region: Pending<String>,
    key_id: Pending<Option<String>>,
    secret: Pending<Option<Secret>>,
}

impl Asked {
    pub(super) fn ask(reader: &mut Reader<'_>) -> Self {
        let asked = Self {
            address: reader.value("DAFEI_PHOTOS", address),
            endpoint: reader.optional("DAFEI_PHOTOS_S3_ENDPOINT", parse::url(&["http", "https"])),
            region: reader.value("DAFEI_PHOTOS_S3_REGION", parse::text),
            key_id: reader.optional("DAFEI_PHOTOS_S3_KEY_ID", parse::text),
            secret: reader.optional("DAFEI_PHOTOS_S3_SECRET", parse::secret),
        };
        if let Some(Address::Bucket { .. }) = asked.address.peek()
            && (matches!(asked.key_id.peek(), Some(None)) || matches!(asked.secret.peek(), Some(None)))
        {
            reader.conflict("DAFEI_PHOTOS", "a bucket needs DAFEI_PHOTOS_S3_KEY_ID and DAFEI_PHOTOS_S3_SECRET");
        }
        asked
    }

    pub(super) fn get(self, checked: &Checked) -> Place {
        let (endpoint, region) = (self.endpoint.get(checked), self.region.get(checked));
        // A bucket without a key is a conflict, so there is none here.
        let key_id = self.key_id.get(checked).unwrap_or_default();
        let secret = self.secret.get(checked).unwrap_or_else(|| Secret::new(String::new()));
        match self.address.get(checked) {
            Address::Directory(directory) => Place::Directory(directory),
            Address::Bucket { name, prefix } => {
                Place::Bucket(Bucket { name, prefix, endpoint, region, key_id, secret })
            }
        }
    }
}

fn address(value: &str) -> Parsed<Address> {
    let expected = || "a directory or `s3://bucket/prefix`".to_owned();
    if let Some(rest) = value.strip_prefix("s3://") {
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let good = !name.is_empty() && !prefix.split('/').any(|part| matches!(part, "." | ".."));
        let bucket = || Address::Bucket { name: name.to_owned(), prefix: prefix.trim_matches('/').to_owned() };
        return good.then(bucket).ok_or_else(expected);
    }
    let directory = value.strip_prefix("file://").unwrap_or(value);
    if directory.is_empty() || directory.contains("://") {
        return Err(expected());
    }
    Ok(Address::Directory(PathBuf::from(directory)))
}
