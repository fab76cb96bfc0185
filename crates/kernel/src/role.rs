//! Roles: what a token says of its bearer, and the posts of the roster.

use crate::{codes::coded, region::Level};

coded! {
    /// A role.
    Role, RoleError, "a role" {
        /// 网格员.
        GridMember = "grid-member", "网格员";
        /// 村居支部书记, the village's grid chief (网格长).
        VillageSecretary = "village-secretary", "村居支部书记";
        /// 工作区书记.
        WorkAreaSecretary = "work-area-secretary", "工作区书记";
        /// 乡镇网格化服务中心.
        TownshipCentre = "township-centre", "乡镇网格化服务中心";
        /// 乡镇有关机构.
        TownshipAgency = "township-agency", "乡镇有关机构";
        /// 乡镇党委政府主要负责人.
        TownshipPrincipal = "township-principal", "乡镇主要负责同志";
        /// 县区安委会办公室.
        CountyOffice = "county-office", "县区安委会办公室";
        /// 县区有关部门.
        CountyDepartment = "county-department", "县区有关部门";
        /// 县区"打非"总指挥.
        CountyCommander = "county-commander", "县区总指挥";
        /// 市安委会办公室.
        CityOffice = "city-office", "市安委会办公室";
        /// 市直有关部门.
        CityDepartment = "city-department", "市直有关部门";
        /// 奖励办理银行.
        Bank = "bank", "奖励办理银行";
        /// 举报电话接线员.
        HotlineClerk = "hotline-clerk", "举报电话接线员";
        /// 审计.
        Auditor = "auditor", "审计";
        /// Another system.
        Service = "service", "系统";
        /// Operations.
        Admin = "admin", "系统管理员";
    }
}

impl Role {
    /// The level that the region of this role must have; none where any will do.
    #[must_use]
    pub const fn level(self) -> Option<Level> {
        match self {
            Self::GridMember | Self::VillageSecretary => Some(Level::Village),
            Self::WorkAreaSecretary => Some(Level::WorkArea),
            Self::TownshipCentre | Self::TownshipAgency | Self::TownshipPrincipal => Some(Level::Township),
            Self::CountyOffice | Self::CountyDepartment | Self::CountyCommander => Some(Level::County),
            Self::CityOffice | Self::CityDepartment => Some(Level::City),
            Self::Bank | Self::HotlineClerk | Self::Auditor | Self::Service | Self::Admin => None,
        }
    }

    /// Whether a post of this role names one of the 14 agencies.
    #[must_use]
    pub const fn needs_agency(self) -> bool {
        matches!(self, Self::TownshipAgency | Self::CountyDepartment | Self::CityDepartment)
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, de::IntoDeserializer};

    use super::Role;
    use crate::{
        act::Act,
        agency::Agency,
        credit_code::CreditCode,
        industry::Industry,
        region::{Level, Region, RegionPath},
        sector::Sector,
        time::Month,
    };

    #[test]
    fn the_closed_lists_have_as_many_entries_as_the_document() {
        assert_eq!(Role::ALL.len(), 16);
        assert_eq!(Agency::ALL.len(), 14);
        assert_eq!(Sector::ALL.len(), 8);
        assert_eq!(Industry::ALL.len(), 9);
        assert_eq!(Level::ALL.len(), 5);
    }

    #[test]
    fn a_code_leads_back_to_its_entry_and_nothing_else_does() {
        for role in Role::ALL {
            assert_eq!(role.code().parse(), Ok(*role));
        }
        for agency in Agency::ALL {
            assert_eq!(agency.code().parse(), Ok(*agency));
        }
        for sector in Sector::ALL {
            assert_eq!(sector.code().parse(), Ok(*sector));
        }
        for industry in Industry::ALL {
            assert_eq!(industry.code().parse(), Ok(*industry));
        }
        assert!("Admin".parse::<Role>().is_err());
        assert!("".parse::<Agency>().is_err());
    }

    #[test]
    fn an_error_does_not_carry_more_of_the_input_than_helps() {
        let error = "x".repeat(10_000).parse::<Role>().expect_err("no role");
        assert_eq!(error.0.len(), 40);
    }

    #[test]
    fn departments_name_an_agency_and_offices_do_not() {
        let with: Vec<&str> = Role::ALL.iter().filter(|role| role.needs_agency()).map(|role| role.code()).collect();
        assert_eq!(with, ["township-agency", "county-department", "city-department"]);
        assert_eq!(Role::WorkAreaSecretary.level(), Some(Level::WorkArea));
        assert_eq!(Role::Bank.level(), None);
    }

    fn read<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, serde::de::value::Error> {
        T::deserialize(text.into_deserializer())
    }

    #[test]
    fn what_is_stored_is_read_by_its_code_and_checked_again() {
        assert_eq!(read::<Role>("county-office"), Ok(Role::CountyOffice));
        assert_eq!(read::<Act>("HC-2").map(Act::code), Ok("HC-2"));
        assert_eq!(read::<Region>("county:371302").map(|region| region.level()), Ok(Level::County));
        assert!(read::<Role>("CountyOffice").is_err());
        assert!(read::<Act>("HC-98").is_err());
        assert!(read::<Region>("county:371").is_err());
        assert!(read::<RegionPath>("county:371302").is_err());
        assert!(read::<CreditCode>("9135").is_err());
        assert!(read::<Month>("2026-13").is_err());
    }
}
