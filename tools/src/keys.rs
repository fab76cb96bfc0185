//! The key pair that signs tokens in development and exercises, and the tokens themselves.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result, bail};
use dafei_runtime::identity::mint::Minter;

use crate::client::{Caller, JWKS, Keys, PRIVATE_KEY};

/// Makes a key pair in `dir`; one that is there stays, so that tokens in use go on holding.
///
/// # Errors
/// When the files cannot be written or the private key that is there cannot be read.
pub fn init(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    let path = dir.join(PRIVATE_KEY);
    let minter = if path.exists() {
        let pem = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Minter::from_pem(&pem).with_context(|| path.display().to_string())?
    } else {
        let minter = Minter::generate()?;
        write_private(&path, minter.private_pem())?;
        minter
    };
    let jwks = dir.join(JWKS);
    fs::write(&jwks, minter.jwks()).with_context(|| jwks.display().to_string())?;
    println!("{}", jwks.display());
    Ok(())
}

/// Writes a file that only its owner may read.
///
/// # Errors
/// When it cannot be written.
pub fn write_private(path: &Path, text: &str) -> Result<()> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(path).with_context(|| path.display().to_string())?;
    file.write_all(text.as_bytes()).with_context(|| path.display().to_string())
}

/// Prints a token.
///
/// # Errors
/// When the keys are missing, or the post lacks what it needs.
pub fn token(caller: &Caller, ttl: Duration) -> Result<()> {
    check(caller)?;
    println!("{}", Keys::from_env()?.token(caller, ttl)?);
    Ok(())
}

/// A post of an agency names it, and its region has the level of the role.
fn check(caller: &Caller) -> Result<()> {
    let role = caller.role;
    if role.needs_agency() && caller.agency.is_none() {
        bail!("the role {role} needs --agency");
    }
    if let Some(level) = role.level()
        && level != caller.region.level()
    {
        bail!("the role {role} needs a --region of level {level}, not {}", caller.region);
    }
    Ok(())
}
