//! Days, months and ISO weeks of the Gregorian calendar.

pub(crate) const DAY_MS: i64 = 86_400_000;

/// Days since 1970-01-01. Years count from March, so that the leap day is the last.
pub(crate) fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let before_year = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 153 days in any five months from March: 31, 30, 31, 30, 31.
    before_year + (153 * month + 2) / 5 + day - 719_469
}

/// Year and month (1 to 12) of a day since 1970-01-01.
pub(crate) fn year_and_month(days: i64) -> (i64, i64) {
    // 365.2425 days a year on average: the guess is at most one year off.
    let mut year = 1970 + (days * 400).div_euclid(146_097);
    if days_since_1970(year, 1, 1) > days {
        year -= 1;
    } else if days_since_1970(year + 1, 1, 1) <= days {
        year += 1;
    }
    let day_of_year = days - days_since_1970(year, 1, 1);
    // No month is longer than 31 days, so this month or the next.
    let month = day_of_year / 31 + 1;
    let is_next = month < 12 && days_since_1970(year, month + 1, 1) <= days;
    (year, month + i64::from(is_next))
}

/// Number of a day's ISO week since the week of 1970-01-01.
pub(crate) fn iso_week(days: i64) -> i64 {
    // 1970-01-01 was a Thursday.
    (days + 3).div_euclid(7)
}

/// First day (a Monday) of an ISO week.
pub(crate) fn monday_of(week: i64) -> i64 {
    week * 7 - 3
}

/// Week of the year, 1 to 53: a week belongs to the year of its Thursday.
pub(crate) fn week_of_year(week: i64) -> i64 {
    let thursday = week * 7;
    let (year, _) = year_and_month(thursday);
    (thursday - days_since_1970(year, 1, 1)) / 7 + 1
}

/// Monday is 1, Sunday is 7.
pub(crate) fn weekday(days: i64) -> i64 {
    (days + 3).rem_euclid(7) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Python 3.11: `datetime.date(y, m, d)`, `.toordinal() - 719163`, `.isocalendar()`, `.isoweekday()`.
    #[test]
    fn dates_equal_python() {
        for ((year, month, day), days, week, weekday_of) in [
            ((1970, 1, 1), 0, 1, 4),
            ((1969, 12, 31), -1, 1, 3),
            ((2000, 2, 29), 11_016, 9, 2),
            ((2004, 12, 31), 12_783, 53, 5),
            ((2005, 1, 2), 12_785, 53, 7),
            ((2005, 1, 3), 12_786, 1, 1),
            ((2008, 12, 29), 14_242, 1, 1),
            ((2020, 7, 31), 18_474, 31, 5),
            ((2020, 8, 2), 18_476, 31, 7),
            ((2100, 3, 1), 47_541, 9, 1),
            ((1899, 12, 31), -25_568, 52, 7),
        ] {
            assert_eq!(days_since_1970(year, month, day), days);
            assert_eq!(year_and_month(days), (year, month), "{days}");
            assert_eq!(week_of_year(iso_week(days)), week, "{year}-{month}-{day}");
            assert_eq!(weekday(days), weekday_of);
        }
    }

    #[test]
    fn each_day_of_800_years_lies_in_its_month() {
        for days in -146_097..146_097 {
            let (year, month) = year_and_month(days);
            let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
            assert!(days_since_1970(year, month, 1) <= days && days < days_since_1970(next.0, next.1, 1));
            assert!((monday_of(iso_week(days))..monday_of(iso_week(days)) + 7).contains(&days));
        }
    }
}
