//! The 8 sectors of 附件1 (clause A1).

use crate::codes::coded;

coded! {
    /// A sector (领域), in the document's order.
    Sector, SectorError, "a sector" {
        /// 烟花爆竹.
        Fireworks = "fireworks", "烟花爆竹";
        /// 危险化学品.
        HazardousChemicals = "hazardous-chemicals", "危险化学品";
        /// 民用爆炸物品.
        CivilExplosives = "civil-explosives", "民用爆炸物品";
        /// 矿山.
        Mines = "mines", "矿山";
        /// 消防.
        FireSafety = "fire-safety", "消防";
        /// 道路交通.
        RoadTraffic = "road-traffic", "道路交通";
        /// 建筑施工.
        Construction = "construction", "建筑施工";
        /// 特种设备.
        SpecialEquipment = "special-equipment", "特种设备";
    }
}
