//! `strftime_now` of chat templates: a given time by the directives of strftime, in English.

/// `BantamLocalTime`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct LocalTime {
    pub year: i32,
    pub month: i32,
    pub day: i32,
    pub hour: i32,
    pub minute: i32,
    pub second: i32,
    pub weekday: i32,
    pub year_day: i32,
}

const MONTHS: [&str; 12] = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

fn named(names: &[&'static str], index: i32) -> Result<&'static str, String> {
    let name = usize::try_from(index).ok().and_then(|i| names.get(i));
    name.copied().ok_or_else(|| "a date that does not exist".to_string())
}

/// How a number is filled up: zeros or blanks to a width, or (with the flag `-`) nothing.
fn number(value: i32, width: usize, fill: char, bare: bool) -> String {
    match (bare, fill) {
        (true, _) => value.to_string(),
        (_, '0') => format!("{value:0width$}"),
        _ => format!("{value:width$}"),
    }
}

impl LocalTime {
    fn hour12(&self) -> i32 {
        (self.hour + 11) % 12 + 1
    }

    fn directive(&self, letter: char, bare: bool) -> Result<String, String> {
        let two = |value| Ok(number(value, 2, '0', bare));
        match letter {
            'Y' => Ok(self.year.to_string()),
            'y' => two(self.year.rem_euclid(100)),
            'm' => two(self.month),
            'd' => two(self.day),
            'e' => Ok(number(self.day, 2, ' ', bare)),
            'H' => two(self.hour),
            'I' => two(self.hour12()),
            'M' => two(self.minute),
            'S' => two(self.second),
            'j' => Ok(number(self.year_day + 1, 3, '0', bare)),
            'p' => Ok(if self.hour < 12 { "AM" } else { "PM" }.to_string()),
            'B' => Ok(named(&MONTHS, self.month - 1)?.to_string()),
            'b' | 'h' => Ok(named(&MONTHS, self.month - 1)?[..3].to_string()),
            'A' => Ok(named(&DAYS, self.weekday)?.to_string()),
            'a' => Ok(named(&DAYS, self.weekday)?[..3].to_string()),
            'F' => self.format("%Y-%m-%d"),
            'T' => self.format("%H:%M:%S"),
            'D' => self.format("%m/%d/%y"),
            'R' => self.format("%H:%M"),
            'n' => Ok("\n".to_string()),
            't' => Ok("\t".to_string()),
            '%' => Ok("%".to_string()),
            other => Err(format!("strftime_now does not know %{other}")),
        }
    }

    pub fn format(&self, pattern: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut characters = pattern.chars().peekable();
        while let Some(character) = characters.next() {
            if character != '%' {
                out.push(character);
                continue;
            }
            let bare = characters.next_if_eq(&'-').is_some();
            let letter = characters.next().ok_or("strftime_now: the format ends in %")?;
            out.push_str(&self.directive(letter, bare)?);
        }
        Ok(out)
    }
}
