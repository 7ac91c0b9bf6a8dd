//! Whether people are there to answer, by the hours that a chatbot's builder set.

use chrono::{DateTime, Datelike, Timelike, Utc};
use chrono_tz::Tz;
use okra_domain::chatbot::{Chatbot, Day, OfficeHours};
use okra_domain::error::Result;
use okra_domain::{Error, Timestamp};

use crate::Engine;

impl Engine {
    /// What a visitor is told who waits for a person while nobody is there; `None` where somebody is,
    /// where no hours are set, or nothing is to be told.
    pub fn away_message<'a>(&self, chatbot: &'a Chatbot) -> Option<&'a str> {
        let office = chatbot.settings.office_hours.as_ref()?;
        let message = office.away_message.trim();
        let told = !message.is_empty() && !is_open(office, self.parts.store.clock().now());
        told.then_some(message)
    }

    /// Fails where a chatbot's hours are of a time zone that there is not.
    pub fn check_office_hours(&self, chatbot: &Chatbot) -> Result<()> {
        let office = chatbot.settings.office_hours.as_ref();
        if office.is_none_or(|office| office.time_zone.parse::<Tz>().is_ok()) {
            return Ok(());
        }
        let problem = "must be the IANA name of a time zone, such as Asia/Seoul";
        Err(Error::invalid_field(
            "settings.officeHours.timeZone",
            problem,
        ))
    }
}

/// Whether somebody is there at this moment.
fn is_open(office: &OfficeHours, now: Timestamp) -> bool {
    // A name that was good once may be dropped from the database of zones; its hours are then read
    // as those of UTC, rather than turning every visitor away.
    let zone = office.time_zone.parse::<Tz>().unwrap_or(Tz::UTC);
    let now = DateTime::<Utc>::from_timestamp_micros(now.0).unwrap_or_default();
    let there = now.with_timezone(&zone);
    let day = Day::numbered(there.weekday().num_days_from_monday());
    office.is_open(day, there.hour() * 60 + there.minute())
}

#[cfg(test)]
mod tests {
    use okra_domain::chatbot::OpenHours;

    use super::*;

    #[test]
    fn hours_are_those_of_their_zone_in_summer_and_winter() {
        let office = |zone: &str| OfficeHours {
            time_zone: zone.to_owned(),
            hours: vec![OpenHours {
                day: Day::Mon,
                from: "09:00".to_owned(),
                to: "18:00".to_owned(),
            }],
            ..OfficeHours::default()
        };
        let check = |zone: &str, moment: &str, expected: bool| {
            let now = Timestamp::parse(moment).expect("a moment");
            assert_eq!(is_open(&office(zone), now), expected, "{zone} {moment}");
        };
        // Monday, 9:00 in Seoul, is Monday, 0:00 in UTC.
        check("Asia/Seoul", "2025-01-20T00:00:00Z", true);
        check("Asia/Seoul", "2025-01-19T23:59:59Z", false);
        check("Asia/Seoul", "2025-01-20T09:00:00Z", false);
        // Berlin is an hour from UTC in winter, two in summer.
        check("Europe/Berlin", "2025-01-20T07:30:00Z", false);
        check("Europe/Berlin", "2025-07-21T07:30:00Z", true);
        check("UTC", "2025-01-20T10:00:00Z", true);
    }
}
