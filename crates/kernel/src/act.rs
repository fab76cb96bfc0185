//! The illegal acts of 附件1 and of the scope in 二, each under one of the 8 sectors (clauses A1, A2).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::sector::Sector;

struct ActEntry {
    code: &'static str,
    sector: Sector,
    name_zh: &'static str,
    name_en: &'static str,
}

/// An illegal act, by its stable code, for example `HC-2`. Copying one is copying a small number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Act(u8);

/// The text is not the code of an act.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the code of an act")]
pub struct ActError(pub String);

impl Act {
    /// Reads a code.
    ///
    /// # Errors
    /// When no act has it.
    pub fn parse(text: &str) -> Result<Self, ActError> {
        ACTS.iter()
            .position(|entry| entry.code == text)
            .and_then(|at| u8::try_from(at).ok())
            .map(Self)
            .ok_or_else(|| ActError(text.chars().take(40).collect()))
    }

    /// All acts, sector by sector in the document's order; each sector ends with its "other".
    pub fn all() -> impl Iterator<Item = Self> {
        (0..ACTS.len()).filter_map(|at| u8::try_from(at).ok()).map(Self)
    }

    fn entry(self) -> &'static ActEntry {
        // Only `parse` and `all` make acts, from positions in the list.
        &ACTS[usize::from(self.0)]
    }

    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.entry().code
    }

    /// Its sector: every act belongs to exactly one row of 附件2.
    #[must_use]
    pub fn sector(self) -> Sector {
        self.entry().sector
    }

    /// The name in Chinese.
    #[must_use]
    pub fn name_zh(self) -> &'static str {
        self.entry().name_zh
    }

    /// An English gloss.
    #[must_use]
    pub fn name_en(self) -> &'static str {
        self.entry().name_en
    }

    /// Whether it is the "other" act (其他) of its sector.
    #[must_use]
    pub fn is_other(self) -> bool {
        self.code().ends_with("-99")
    }

    /// Whether a report of it must say in words what it is.
    #[must_use]
    pub fn needs_text(self) -> bool {
        self.is_other()
    }
}

/// Acts that persuasion never settles (clause C3), a local default: making fireworks, all civil explosives, making hazardous chemicals,
/// starting again after a close-down, waste hazardous chemicals. They always go up.
#[must_use]
pub fn never_by_persuasion_default(act: Act) -> bool {
    act.sector() == Sector::CivilExplosives || matches!(act.code(), "FW-1" | "HC-2" | "HC-8" | "HC-13")
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Act {
    type Err = ActError;

    fn from_str(text: &str) -> Result<Self, ActError> {
        Self::parse(text)
    }
}

impl Serialize for Act {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Act {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

const ACTS: &[ActEntry] = &[
    ActEntry {
        code: "FW-1",
        sector: Sector::Fireworks,
        name_zh: "未经许可生产烟花爆竹",
        name_en: "making fireworks without a permit",
    },
    ActEntry {
        code: "FW-2",
        sector: Sector::Fireworks,
        name_zh: "未经许可经营烟花爆竹",
        name_en: "selling fireworks without a permit",
    },
    ActEntry {
        code: "FW-3",
        sector: Sector::Fireworks,
        name_zh: "未经许可运输烟花爆竹",
        name_en: "carrying fireworks without a permit",
    },
    ActEntry {
        code: "FW-4",
        sector: Sector::Fireworks,
        name_zh: "出租、出借、转让、买卖烟花爆竹经营许可证",
        name_en: "letting, lending, passing on or trading a fireworks licence",
    },
    ActEntry { code: "FW-99", sector: Sector::Fireworks, name_zh: "其他", name_en: "other" },
    ActEntry {
        code: "HC-1",
        sector: Sector::HazardousChemicals,
        name_zh: "危化品项目未经安全审查擅自开工建设或投入生产运行",
        name_en: "building or running a chemicals project without safety review",
    },
    ActEntry {
        code: "HC-2",
        sector: Sector::HazardousChemicals,
        name_zh: "无证、证照不全或过期、超许可范围生产危化品",
        name_en: "making hazardous chemicals without or beyond a licence",
    },
    ActEntry {
        code: "HC-3",
        sector: Sector::HazardousChemicals,
        name_zh: "无证、证照不全或过期、超许可范围经营危化品",
        name_en: "selling hazardous chemicals without or beyond a licence",
    },
    ActEntry {
        code: "HC-4",
        sector: Sector::HazardousChemicals,
        name_zh: "无证、证照不全或过期、超许可范围使用危化品",
        name_en: "using hazardous chemicals without or beyond a licence",
    },
    ActEntry {
        code: "HC-5",
        sector: Sector::HazardousChemicals,
        name_zh: "无证、证照不全或过期、超许可范围运输危化品",
        name_en: "carrying hazardous chemicals without or beyond a licence",
    },
    ActEntry {
        code: "HC-6",
        sector: Sector::HazardousChemicals,
        name_zh: "倒卖、出租、出借或非法转让危化品许可证件",
        name_en: "trading, letting, lending or unlawfully passing on a chemicals licence",
    },
    ActEntry {
        code: "HC-7",
        sector: Sector::HazardousChemicals,
        name_zh: "应关闭未关闭或关闭不到位",
        name_en: "not closed, or not fully, though ordered to close",
    },
    ActEntry {
        code: "HC-8",
        sector: Sector::HazardousChemicals,
        name_zh: "关闭取缔后又擅自生产经营建设",
        name_en: "producing, trading or building again after a close-down",
    },
    ActEntry {
        code: "HC-9",
        sector: Sector::HazardousChemicals,
        name_zh: "非法经营液化气",
        name_en: "unlawful trade in liquefied gas",
    },
    ActEntry {
        code: "HC-10",
        sector: Sector::HazardousChemicals,
        name_zh: "非法经营汽油、柴油",
        name_en: "unlawful trade in petrol or diesel",
    },
    ActEntry {
        code: "HC-11",
        sector: Sector::HazardousChemicals,
        name_zh: "非法生产小化工",
        name_en: "unlawful small chemical works",
    },
    ActEntry {
        code: "HC-12",
        sector: Sector::HazardousChemicals,
        name_zh: "非法生产小医药",
        name_en: "unlawful small pharmaceutical works",
    },
    ActEntry {
        code: "HC-13",
        sector: Sector::HazardousChemicals,
        name_zh: "非法生产、经营、储存废弃危险化学品",
        name_en: "unlawful making, trading or storing of waste hazardous chemicals",
    },
    ActEntry {
        code: "HC-14",
        sector: Sector::HazardousChemicals,
        name_zh: "无证或超许可范围储存危化品",
        name_en: "storing hazardous chemicals without or beyond a licence",
    },
    ActEntry { code: "HC-99", sector: Sector::HazardousChemicals, name_zh: "其他", name_en: "other" },
    ActEntry {
        code: "CE-1",
        sector: Sector::CivilExplosives,
        name_zh: "无证或超许可范围生产民用爆炸物品",
        name_en: "making civil explosives without or beyond a licence",
    },
    ActEntry {
        code: "CE-2",
        sector: Sector::CivilExplosives,
        name_zh: "无证或超许可范围经营民用爆炸物品",
        name_en: "selling civil explosives without or beyond a licence",
    },
    ActEntry {
        code: "CE-3",
        sector: Sector::CivilExplosives,
        name_zh: "无证或超许可范围运输民用爆炸物品",
        name_en: "carrying civil explosives without or beyond a licence",
    },
    ActEntry {
        code: "CE-4",
        sector: Sector::CivilExplosives,
        name_zh: "无证或超许可范围储存民用爆炸物品",
        name_en: "storing civil explosives without or beyond a licence",
    },
    ActEntry { code: "CE-99", sector: Sector::CivilExplosives, name_zh: "其他", name_en: "other" },
    ActEntry { code: "MI-1", sector: Sector::Mines, name_zh: "无证开采", name_en: "mining without a licence" },
    ActEntry {
        code: "MI-2",
        sector: Sector::Mines,
        name_zh: "超层越界开采",
        name_en: "mining beyond the licensed layer or boundary",
    },
    ActEntry {
        code: "MI-3",
        sector: Sector::Mines,
        name_zh: "违反矿山建设项目安全设施“三同时”规定",
        name_en: "breaking the rule of simultaneous safety facilities",
    },
    ActEntry {
        code: "MI-4",
        sector: Sector::Mines,
        name_zh: "未按规定对建设项目进行安全评价",
        name_en: "no safety assessment of a mine project",
    },
    ActEntry {
        code: "MI-5",
        sector: Sector::Mines,
        name_zh: "无安全设施设计或未经审查同意擅自开工建设",
        name_en: "starting to build without design or review of safety facilities",
    },
    ActEntry {
        code: "MI-6",
        sector: Sector::Mines,
        name_zh: "未按批准的安全设施设计施工",
        name_en: "building otherwise than the approved safety design",
    },
    ActEntry {
        code: "MI-7",
        sector: Sector::Mines,
        name_zh: "安全设施未经验收合格投入生产或使用",
        name_en: "production before the safety facilities are accepted",
    },
    ActEntry {
        code: "MI-8",
        sector: Sector::Mines,
        name_zh: "无安全生产许可证非法生产",
        name_en: "production without a work-safety licence",
    },
    ActEntry { code: "MI-99", sector: Sector::Mines, name_zh: "其他", name_en: "other" },
    ActEntry {
        code: "FS-1",
        sector: Sector::FireSafety,
        name_zh: "未依法通过建设工程消防设计审查验收",
        name_en: "fire-safety design not reviewed or accepted",
    },
    ActEntry {
        code: "FS-2",
        sector: Sector::FireSafety,
        name_zh: "违规占用疏散通道和安全出口",
        name_en: "blocking escape routes and exits",
    },
    ActEntry { code: "FS-99", sector: Sector::FireSafety, name_zh: "其他", name_en: "other" },
    ActEntry { code: "RT-1", sector: Sector::RoadTraffic, name_zh: "车辆超员", name_en: "overcrowded vehicle" },
    ActEntry { code: "RT-2", sector: Sector::RoadTraffic, name_zh: "车辆超速", name_en: "speeding" },
    ActEntry {
        code: "RT-3",
        sector: Sector::RoadTraffic,
        name_zh: "未经许可擅自从事道路运输经营",
        name_en: "road transport business without a permit",
    },
    ActEntry {
        code: "RT-4",
        sector: Sector::RoadTraffic,
        name_zh: "营运车辆违法超限超载运输",
        name_en: "overloaded commercial vehicle",
    },
    ActEntry {
        code: "RT-5",
        sector: Sector::RoadTraffic,
        name_zh: "运输介质与核定介质不符",
        name_en: "carrying another medium than approved",
    },
    ActEntry { code: "RT-99", sector: Sector::RoadTraffic, name_zh: "其他", name_en: "other" },
    ActEntry {
        code: "CO-1",
        sector: Sector::Construction,
        name_zh: "未办理施工许可等开工手续或手续不全擅自施工",
        name_en: "building without or with incomplete permits",
    },
    ActEntry {
        code: "CO-2",
        sector: Sector::Construction,
        name_zh: "施工单位无资质、超资质、无安全生产许可证施工",
        name_en: "building without or beyond qualification or safety licence",
    },
    ActEntry {
        code: "CO-3",
        sector: Sector::Construction,
        name_zh: "违法发包、转包、违法分包、挂靠",
        name_en: "unlawful contracting, subcontracting or use of another's qualification",
    },
    ActEntry { code: "CO-99", sector: Sector::Construction, name_zh: "其他", name_en: "other" },
    ActEntry {
        code: "SE-1",
        sector: Sector::SpecialEquipment,
        name_zh: "特种设备生产单位未经许可、不再具备条件、许可过期或超范围生产",
        name_en: "making special equipment without or beyond a licence",
    },
    ActEntry {
        code: "SE-2",
        sector: Sector::SpecialEquipment,
        name_zh: "特种设备未办理使用登记",
        name_en: "special equipment not registered for use",
    },
    ActEntry {
        code: "SE-3",
        sector: Sector::SpecialEquipment,
        name_zh: "移动式压力容器和气瓶充装单位未经许可充装",
        name_en: "filling mobile pressure vessels or cylinders without a permit",
    },
    ActEntry { code: "SE-99", sector: Sector::SpecialEquipment, name_zh: "其他", name_en: "other" },
];

#[cfg(test)]
mod tests {
    use super::{Act, never_by_persuasion_default};
    use crate::sector::Sector;

    #[test]
    fn every_sector_has_acts_and_ends_with_its_other() {
        for sector in Sector::ALL {
            let acts: Vec<Act> = Act::all().filter(|act| act.sector() == *sector).collect();
            assert!(acts.len() > 2, "{sector}");
            assert_eq!(acts.iter().filter(|act| act.is_other()).count(), 1, "{sector}");
            assert!(acts.last().expect("some").is_other(), "{sector}");
        }
        assert_eq!(Act::all().count(), 51);
    }

    #[test]
    fn a_code_leads_back_to_its_act() {
        for act in Act::all() {
            assert_eq!(Act::parse(act.code()), Ok(act));
        }
        assert!(Act::parse("HC-15").is_err());
        assert!(Act::parse("hc-2").is_err());
    }

    #[test]
    fn the_acts_that_always_go_up_are_those_of_clause_c3() {
        let codes: Vec<&str> = Act::all().filter(|act| never_by_persuasion_default(*act)).map(Act::code).collect();
        assert_eq!(codes, ["FW-1", "HC-2", "HC-8", "HC-13", "CE-1", "CE-2", "CE-3", "CE-4", "CE-99"]);
    }
}
