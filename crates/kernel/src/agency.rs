//! The 14 agencies of 三(二)4 (clause C16), the same codes at township, county and city level.

use crate::codes::coded;

coded! {
    /// A responsible agency.
    Agency, AgencyError, "an agency" {
        /// 应急管理.
        EmergencyManagement = "emergency-management", "应急管理";
        /// 公安.
        PublicSecurity = "public-security", "公安";
        /// 教育.
        Education = "education", "教育";
        /// 工业和信息化.
        IndustryInformation = "industry-information", "工业和信息化";
        /// 自然资源.
        NaturalResources = "natural-resources", "自然资源";
        /// 生态环境.
        EcologyEnvironment = "ecology-environment", "生态环境";
        /// 住房和城乡建设.
        HousingConstruction = "housing-construction", "住房和城乡建设";
        /// 交通运输.
        Transport = "transport", "交通运输";
        /// 水利.
        WaterResources = "water-resources", "水利";
        /// 市场监管.
        MarketRegulation = "market-regulation", "市场监管";
        /// 能源管理.
        Energy = "energy", "能源管理";
        /// 邮政管理.
        Postal = "postal", "邮政管理";
        /// 煤矿安全监管.
        CoalMineSafety = "coal-mine-safety", "煤矿安全监管";
        /// 消防救援机构.
        FireRescue = "fire-rescue", "消防救援机构";
    }
}
