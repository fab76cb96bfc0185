//! A part of the roster between wire and kernel.

use dafei_kernel::{
    credit_code::CreditCode,
    owner::Post,
    region::{Level, Region},
    roster::{Enterprise, Holder, RegionEntry, RosterPart},
};

use crate::{
    convert::{self, ConvertError, Field as _},
    events::v1 as pb,
    types::v1 as types,
};

impl TryFrom<&pb::RosterSnapshot> for RosterPart {
    type Error = ConvertError;

    fn try_from(wire: &pb::RosterSnapshot) -> Result<Self, ConvertError> {
        Ok(Self {
            region: convert::region("region", wire.region.as_ref())?,
            regions: wire.regions.iter().map(region).collect::<Result<_, _>>()?,
            holders: wire.holders.iter().map(holder).collect::<Result<_, _>>()?,
            enterprises: wire.enterprises.iter().map(enterprise).collect::<Result<_, _>>()?,
        })
    }
}

fn region(wire: &pb::RosterRegion) -> Result<RegionEntry, ConvertError> {
    let work_area = match wire.work_area.as_str() {
        "" => None,
        code => Some(
            Region::new(Level::WorkArea, code)
                .map_err(|error| ConvertError::invalid("regions.work_area", &error.to_string()))?,
        ),
    };
    Ok(RegionEntry {
        region: convert::region("regions.region", wire.region.as_ref())?,
        name: wire.name.clone(),
        parent: wire.parent.as_ref().map(|parent| convert::region("regions.parent", Some(parent))).transpose()?,
        work_area,
        households: wire.households,
    })
}

fn holder(wire: &pb::RosterHolder) -> Result<Holder, ConvertError> {
    let post = Post::try_from(wire.post.as_ref().required("holders.post")?)?;
    Ok(Holder {
        role: post.role,
        region: post.region,
        agency: post.agency,
        person: wire.person.clone(),
        valid_from: convert::instant("holders.valid_from", wire.valid_from)?,
        valid_until: convert::optional_instant("holders.valid_until", wire.valid_until)?,
    })
}

fn enterprise(wire: &pb::RosterEnterprise) -> Result<Enterprise, ConvertError> {
    let entry = wire.enterprise.as_ref().required("enterprises.enterprise")?;
    Ok(Enterprise {
        credit_code: CreditCode::parse(&entry.credit_code)
            .map_err(|error| ConvertError::invalid("enterprises.credit_code", &error.to_string()))?,
        name: entry.name.clone(),
        industry: convert::industry("enterprises.industry", &entry.industry)?,
        regulator: convert::optional_agency("enterprises.regulator", &entry.regulator)?,
        region: convert::region("enterprises.region", wire.region.as_ref())?,
        employees: wire.employees,
    })
}

impl From<&RosterPart> for pb::RosterSnapshot {
    fn from(part: &RosterPart) -> Self {
        Self {
            meta: None,
            region: Some((&part.region).into()),
            regions: part.regions.iter().map(wire_region).collect(),
            holders: part.holders.iter().map(wire_holder).collect(),
            enterprises: part.enterprises.iter().map(wire_enterprise).collect(),
        }
    }
}

fn wire_region(region: &RegionEntry) -> pb::RosterRegion {
    pb::RosterRegion {
        region: Some((&region.region).into()),
        name: region.name.clone(),
        parent: region.parent.as_ref().map(Into::into),
        work_area: region.work_area.as_ref().map(|area| area.code().to_string()).unwrap_or_default(),
        households: region.households,
    }
}

fn wire_holder(holder: &Holder) -> pb::RosterHolder {
    let post = Post { role: holder.role, region: holder.region.clone(), agency: holder.agency };
    pb::RosterHolder {
        post: Some((&post).into()),
        person: holder.person.clone(),
        valid_from: Some(holder.valid_from.into()),
        valid_until: holder.valid_until.map(Into::into),
    }
}

fn wire_enterprise(enterprise: &Enterprise) -> pb::RosterEnterprise {
    pb::RosterEnterprise {
        enterprise: Some(types::Enterprise {
            credit_code: enterprise.credit_code.to_string(),
            name: enterprise.name.clone(),
            industry: enterprise.industry.code().to_owned(),
            regulator: enterprise.regulator.map(|agency| agency.code().to_owned()).unwrap_or_default(),
        }),
        region: Some((&enterprise.region).into()),
        employees: enterprise.employees,
    }
}
