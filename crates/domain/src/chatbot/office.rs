//! When people answer: hours of the week in a time zone, and what visitors are told outside of them.
//! Which moment is when where is not known here; the engine asks with a day and a time.

use serde::{Deserialize, Serialize};

use super::at_most;
use crate::error::{Error, Result};

/// When people answer a chatbot's visitors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "camelCase")]
pub struct OfficeHours {
    /// The time zone of the hours, by its IANA name, such as `Asia/Seoul`.
    pub time_zone: String,
    /// When somebody is there; 50 spans at most. Without any nobody ever is.
    pub hours: Vec<OpenHours>,
    /// What visitors are told who ask for a person outside of these hours; 500 characters at most.
    pub away_message: String,
}

impl Default for OfficeHours {
    fn default() -> Self {
        Self {
            time_zone: "UTC".to_owned(),
            hours: Vec::new(),
            away_message: String::new(),
        }
    }
}

/// A span of a day in which somebody is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OpenHours {
    /// The day.
    pub day: Day,
    /// From then on, such as `09:00`.
    pub from: String,
    /// Until then, such as `18:00`; `24:00` is the day's end.
    pub to: String,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl Day {
    /// The day of this number, from Monday, which is 0.
    pub fn numbered(number: u32) -> Self {
        use Day::{Fri, Mon, Sat, Sun, Thu, Tue, Wed};
        match number % 7 {
            0 => Mon,
            1 => Tue,
            2 => Wed,
            3 => Thu,
            4 => Fri,
            5 => Sat,
            _ => Sun,
        }
    }
}

const MOST_SPANS: usize = 50;
const MAX_MESSAGE_CHARS: usize = 500;

impl OfficeHours {
    /// Whether somebody is there on this day, `minute` minutes after its beginning.
    pub fn is_open(&self, day: Day, minute: u32) -> bool {
        let holds = |span: &OpenHours| {
            let (from, to) = (minutes(&span.from), minutes(&span.to));
            span.day == day
                && from
                    .zip(to)
                    .is_some_and(|(from, to)| (from..to).contains(&minute))
        };
        self.hours.iter().any(holds)
    }

    pub(super) fn check(&self) -> Result<()> {
        at_most(
            "settings.officeHours.awayMessage",
            &self.away_message,
            MAX_MESSAGE_CHARS,
        )?;
        at_most("settings.officeHours.timeZone", &self.time_zone, 64)?;
        if self.hours.len() > MOST_SPANS {
            let problem = format!("at most {MOST_SPANS}");
            return Err(Error::invalid_field("settings.officeHours.hours", problem));
        }
        for (number, span) in self.hours.iter().enumerate() {
            let times = minutes(&span.from).zip(minutes(&span.to));
            if times.is_none_or(|(from, to)| from >= to) {
                let field = format!("settings.officeHours.hours[{number}]");
                let problem = "from and to must be times such as 09:00 and 18:00, from before to";
                return Err(Error::invalid_field(field, problem));
            }
        }
        Ok(())
    }
}

/// Minutes since the day's beginning of a time such as `09:30`; up to `24:00`.
fn minutes(time: &str) -> Option<u32> {
    let (hours, minutes) = time.split_once(':')?;
    let number = |text: &str| match text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()) {
        true => text.parse::<u32>().ok(),
        false => None,
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let all = hours * 60 + minutes;
    (minutes < 60 && all <= 24 * 60).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(day: Day, from: &str, to: &str) -> OpenHours {
        OpenHours {
            day,
            from: from.to_owned(),
            to: to.to_owned(),
        }
    }

    #[test]
    fn somebody_is_there_within_the_hours() {
        let office = OfficeHours {
            hours: vec![
                span(Day::Mon, "09:00", "12:00"),
                span(Day::Mon, "13:00", "18:30"),
                span(Day::Sun, "00:00", "24:00"),
            ],
            ..OfficeHours::default()
        };
        assert!(office.check().is_ok());
        for (day, minute, expected) in [
            (Day::Mon, 9 * 60 - 1, false),
            (Day::Mon, 9 * 60, true),
            (Day::Mon, 12 * 60, false),
            (Day::Mon, 18 * 60 + 29, true),
            (Day::Tue, 10 * 60, false),
            (Day::Sun, 0, true),
            (Day::Sun, 24 * 60 - 1, true),
        ] {
            assert_eq!(office.is_open(day, minute), expected, "{day:?} {minute}");
        }
        assert_eq!(Day::numbered(6), Day::Sun);
    }

    #[test]
    fn hours_that_are_none_are_refused() {
        for (from, to) in [
            ("18:00", "09:00"),
            ("09:00", "09:00"),
            ("9:00", "18:00"),
            ("09:00", "24:01"),
            ("09:60", "18:00"),
            ("", "18:00"),
            ("+9:00", "18:00"),
        ] {
            let office = OfficeHours {
                hours: vec![span(Day::Fri, from, to)],
                ..OfficeHours::default()
            };
            let error = office.check().expect_err("refused");
            assert_eq!(error.details[0].field, "settings.officeHours.hours[0]");
        }
    }
}
