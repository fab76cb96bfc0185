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
