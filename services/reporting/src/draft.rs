//! The draft of a unit's table: what is computed, what its units filed, what it corrected, and what all that comes to.

mod rolled;

use std::collections::BTreeSet;

use dafei_contracts::reporting::v1 as pb;
use dafei_kernel::{
    region::{Level, RegionPath},
    roster::RosterIndex,
    sector::Sector,
    time::Instant,
};
use dafei_reporting_core::{
    Column, Month, Table, Unit, UnitKind,
    filing::{self, Correction, State},
};
use dafei_runtime::status::Fault;
use dafei_shell::faults;
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;

use crate::{
    footing,
    form::Notes,
    grpc::{cell, unit_name, wire_row, wire_unit},
    store::{
        filing::{self as store, Cell, Here, Note, Rolled, Standing},
        stays::{self, Absent, Duty},
    },
};

/// A draft.
pub(crate) struct Drafted {
    pub(crate) unit: Unit,
    pub(crate) path: RegionPath,
    pub(crate) month: Month,
    /// Own cells, by the county and city in which they roll up.
    own_cells: Vec<(Here, Cell)>,
    /// Own notes alike.
    own_notes: Vec<(Here, Note)>,
    /// What the units note.
    unit_notes: Vec<Note>,
    own: Table,
    from_units: Table,
    corrections: Vec<Correction>,
    pub(crate) figures: Table,
    units: Vec<(Unit, Stands)>,
    notes: Notes,
}

/// How a unit stands with a month's table.
pub(crate) struct Stands {
    /// What it has filed.
    filed: Standing,
    /// From when on it is late; none when the unit does not owe it.
    limit: Option<Instant>,
}

fn table(cells: impl IntoIterator<Item = Cell>) -> Result<Table, Fault> {
    Ok(Table::of_cells(cells.into_iter().map(cell).collect::<Result<Vec<_>, _>>()?))
}

impl Drafted {
    /// Reads a draft.
    ///
    /// # Errors
    /// When PostgreSQL is away, or a stored cell is no cell of the form.
    pub(crate) async fn read(
        conn: &mut PgConnection,
        unit: &Unit,
        path: &RegionPath,
        month: Month,
        roster: &RosterIndex,
    ) -> Result<Self, Fault> {
        let store::Own { cells: own_cells, totals, notes: own_notes } =
            store::own(&mut *conn, unit, month).await.map_err(faults::database)?;
        let own = table(own_cells.iter().map(|(_, cell)| cell.clone()))?;
        let totals = totals.into_iter().map(|(column, value)| cell((String::new(), column, value)));
        let totals: Vec<_> =
            totals.map(|cell| cell.map(|(_, column, value)| (column, value))).collect::<Result<_, _>>()?;
        footing::check(&own, &totals, unit, month)?;
        let collected = store::from_units(&mut *conn, unit, month).await.map_err(faults::database)?;
        let (from_units, unit_notes) = (table(collected.cells)?, collected.notes);
        let rows = store::corrections(&mut *conn, unit, month).await.map_err(faults::database)?;
        let corrections = rows.into_iter().map(correction).collect::<Result<Vec<_>, _>>()?;
        let figures = filing::figures(&own, &from_units, &corrections);
        let units = self::collected(conn, unit, month, roster).await?;
        let notes = Notes::of(own_notes.iter().map(|(_, note)| note).chain(&unit_notes));
        let (unit, path) = (unit.clone(), path.clone());
        Ok(Self {
            unit,
            path,
            month,
            own_cells,
            own_notes,
            unit_notes,
            own,
            from_units,
            corrections,
            figures,
            units,
            notes,
        })
    }

    /// What a cell comes to without its correction.
    pub(crate) fn computed(&self, sector: Option<Sector>, column: Column) -> i64 {
        self.own.value(sector, column) + self.from_units.value(sector, column)
    }

    /// How many verified tips the table tells of, and how many of them were true.
    pub(crate) fn verified(&self) -> (i64, i64) {
        (self.figures.total.value(Column::VerifiedTips), self.notes.verified_true)
    }

    pub(crate) fn corrections(&self) -> Vec<pb::Correction> {
        self.corrections.iter().map(wire_correction).collect()
    }

    /// On the wire; without how the unit stands itself and without the digest, which are not of the draft.
    fn bare(&self, roster: &RosterIndex, now: Instant) -> pb::Draft {
        let units = self.units.iter();
        pb::Draft {
            unit: Some(wire_unit(&self.unit)),
            unit_name: unit_name(&self.unit, &self.path, roster),
            month: self.month.to_string(),
            own: Some(body(&self.own)),
            from_units: Some(body(&self.from_units)),
            corrections: self.corrections(),
            figures: Some(body(&self.figures)),
            units: units.map(|(unit, stands)| wire_filing(unit, stands, roster, now)).collect(),
            filing: None,
            digest: String::new(),
            verified_true: self.notes.verified_true,
            secretaries_warned: self.notes.secretaries_warned,
            secretaries_held_accountable: self.notes.secretaries_held_accountable,
        }
    }

    /// By which a draft is the one that was looked at: of its figures, its corrections and the versions of its units. What only time changes,
    /// whether a unit is late, is left out, and so are names.
    pub(crate) fn digest(&self) -> String {
        let versions = self.units.iter().map(|(unit, stands)| pb::Filing {
            unit: Some(wire_unit(unit)),
            version: u32::try_from(stands.filed.version).unwrap_or_default(),
            ..pb::Filing::default()
        });
        let told = pb::Draft {
            own: Some(body(&self.own)),
            from_units: Some(body(&self.from_units)),
            corrections: self.corrections(),
            figures: Some(body(&self.figures)),
            units: versions.collect(),
            verified_true: self.notes.verified_true,
            secretaries_warned: self.notes.secretaries_warned,
            secretaries_held_accountable: self.notes.secretaries_held_accountable,
            ..pb::Draft::default()
        };
        sha256(&told.encode_to_vec())
    }

    /// On the wire.
    pub(crate) fn wire(&self, roster: &RosterIndex, now: Instant) -> pb::Draft {
        pb::Draft { digest: self.digest(), ..self.bare(roster, now) }
    }

    /// The figures and notes, each with the county and city in which it rolls up: an office's in its own, a leaf's facts where they happened, and its
    /// corrections with the figures that they correct.
    pub(crate) fn rolled_up(&self) -> Rolled {
        let code = |level| self.path.at(level).map(|region| region.code().to_string()).unwrap_or_default();
        let here: Here = (code(Level::County), code(Level::City));
        let stored = |(sector, column, value): (Option<Sector>, Column, i64)| -> Cell {
            (sector.map_or("", |sector| sector.code()).to_owned(), i16::from(column.number()), value)
        };
        if self.unit.kind().collects() {
            let notes = self.own_notes.iter().map(|(_, note)| note).chain(&self.unit_notes);
            return Rolled {
                cells: self.figures.cells().map(|cell| (here.clone(), stored(cell))).collect(),
                notes: notes.map(|note| (here.clone(), *note)).collect(),
            };
        }
        let corrections = self.corrections.iter().map(|one| stored((one.sector, one.column, one.amount)));
        let placed = corrections.flat_map(|cell| rolled::placed(&self.own_cells, &here, cell));
        Rolled { cells: self.own_cells.iter().cloned().chain(placed).collect(), notes: self.own_notes.clone() }
    }
}

/// The units that an office collects from, and how they stand: those of the roster that owe the month or have filed it, and those that have facts of it,
/// though the roster does not name them.
pub(crate) async fn collected(
    conn: &mut PgConnection,
    office: &Unit,
    month: Month,
    roster: &RosterIndex,
) -> Result<Vec<(Unit, Stands)>, Fault> {
    if !office.kind().collects() {
        return Ok(Vec::new());
    }
    let mut counted = BTreeSet::new();
    for (kind, region, agency) in store::counted_units(&mut *conn, office, month).await.map_err(faults::database)? {
        let unknown = || Fault::internal(format!("no filing unit: {kind} {region} {agency}"));
        let agency = if agency.is_empty() { None } else { Some(agency.parse().map_err(|_| unknown())?) };
        let kind = UnitKind::from_code(&kind).ok_or_else(unknown)?;
        counted.insert(Unit::new(kind, region.clone(), agency).map_err(|_| unknown())?);
    }
    let named = office.collected(roster);
    let units: Vec<Unit> = counted.iter().cloned().chain(named).collect::<BTreeSet<_>>().into_iter().collect();
    let stands = self::stands(conn, &units, month, roster).await?;
    let listed =
        |unit: &Unit, stands: &Stands| stands.limit.is_some() || stands.filed.version > 0 || counted.contains(unit);
    Ok(units.into_iter().zip(stands).filter(|(unit, stands)| listed(unit, stands)).collect())
}

/// How units stand with a month's table, in their order.
pub(crate) async fn stands(
    conn: &mut PgConnection,
    units: &[Unit],
    month: Month,
    roster: &RosterIndex,
) -> Result<Vec<Stands>, Fault> {
    let filed = store::standings(&mut *conn, units, month).await.map_err(faults::database)?;
    let duties: Vec<Duty<'_>> = units.iter().map(|unit| duty(unit, month)).collect();
    let absent = stays::absent(conn, &duties).await.map_err(faults::database)?;
    let stands = |(unit, filed)| Stands { filed, limit: limit(unit, month, &absent, roster) };
    Ok(units.iter().zip(filed).map(stands).collect())
}

/// What a unit owes of a month when it was in the roster.
pub(crate) fn duty(unit: &Unit, month: Month) -> Duty<'_> {
    let (end, limit) = (month.end_instant(), filing::due(unit.kind(), month));
    Duty { region: unit.region(), agency: unit.agency(), end, limit }
}

/// From when on a unit's table of a month is late. None when it does not owe it: it was not in the roster from the
/// month's end to the limit, or is a department whose post was first held later, or by nobody up to the limit.
pub(crate) fn limit(unit: &Unit, month: Month, absent: &Absent, roster: &RosterIndex) -> Option<Instant> {
    let Duty { region, agency, end, limit } = duty(unit, month);
    (!absent.was(region, agency, end) && !unit.is_spared(month, roster)).then_some(limit)
}

fn correction(row: store::CorrectionRow) -> Result<Correction, Fault> {
    let (sector, column, amount) = cell((row.sector, row.col, row.amount))?;
    Ok(Correction { sector, column, amount, reason: row.reason, by: row.by, at: row.at })
}

fn wire_correction(correction: &Correction) -> pb::Correction {
    pb::Correction {
        sector: correction.sector.map_or("", |sector| sector.code()).to_owned(),
        column: u32::from(correction.column.number()),
        amount: correction.amount,
        reason: correction.reason.clone(),
        corrected_by: Some((&correction.by).into()),
        corrected_at: Some(correction.at.into()),
    }
}

pub(crate) fn body(table: &Table) -> pb::TableBody {
    pb::TableBody {
        rows: table.rows.iter().map(|(sector, row)| wire_row(sector.code(), row)).collect(),
        total: Some(wire_row("", &table.total)),
        without_sector: Some(wire_row("", &table.without_sector)),
    }
}

/// The table of a body; a body of another form is a fault of ours.
pub(crate) fn of_body(body: Option<&pb::TableBody>) -> Result<Table, Fault> {
    let body = body.ok_or_else(|| Fault::internal("a filed table without figures"))?;
    let rows = body.rows.iter().chain(body.without_sector.as_ref());
    let cells = rows.flat_map(|row| {
        row.values.iter().enumerate().map(|(index, value)| {
            let column = i16::try_from(index + 1).unwrap_or(i16::MAX);
            (row.sector.clone(), column, *value)
        })
    });
    table(cells)
}

/// How a unit stands, on the wire.
pub(crate) fn wire_filing(unit: &Unit, stands: &Stands, roster: &RosterIndex, now: Instant) -> pb::Filing {
    let path = roster.path(unit.region());
    let Stands { filed, limit } = stands;
    let state = match filing::state(*limit, filed.first_filed_at, now) {
        State::Open => pb::FilingState::Open,
        State::Filed => pb::FilingState::Filed,
        State::Late => pb::FilingState::Late,
        State::Missing => pb::FilingState::Missing,
    };
    pb::Filing {
        unit: Some(wire_unit(unit)),
        unit_name: path.map(|path| unit_name(unit, &path, roster)).unwrap_or_default(),
        state: state.into(),
        due: limit.map(Into::into),
        version: u32::try_from(filed.version).unwrap_or_default(),
        first_filed_at: filed.first_filed_at.map(Into::into),
        last_filed_at: filed.last_filed_at.map(Into::into),
    }
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        use std::fmt::Write as _;
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
