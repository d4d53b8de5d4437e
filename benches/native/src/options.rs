//! Command-line options of the form `--name value`.

use std::collections::HashMap;
use std::str::FromStr;

pub struct Options(HashMap<String, String>);

impl Options {
    /// Reads `arguments` (without the program's name); an option outside of `known` is an error.
    pub fn parse(arguments: impl Iterator<Item = String>, known: &[&str]) -> Result<Options, String> {
        let mut values = HashMap::new();
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let name = argument.strip_prefix("--").filter(|name| known.contains(name));
            let name =
                name.ok_or_else(|| format!("unknown option {argument}; known: --{}", known.join(", --")))?;
            let value = arguments.next().ok_or_else(|| format!("--{name} needs a value"))?;
            values.insert(name.to_owned(), value);
        }
        Ok(Options(values))
    }

    /// The option's value, or None if it was not given.
    pub fn get<T: FromStr>(&self, name: &str) -> Result<Option<T>, String> {
        let Some(value) = self.0.get(name) else {
            return Ok(None);
        };
        value.parse().map(Some).map_err(|_| format!("--{name}: {value} is not a valid value"))
    }

    pub fn get_or<T: FromStr>(&self, name: &str, default: T) -> Result<T, String> {
        Ok(self.get(name)?.unwrap_or(default))
    }

    pub fn require<T: FromStr>(&self, name: &str) -> Result<T, String> {
        self.get(name)?.ok_or_else(|| format!("--{name} is missing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, String> {
        Options::parse(arguments.iter().map(ToString::to_string), &["port", "size"])
    }

    #[test]
    fn reads_values_and_defaults() {
        let options = parse(&["--port", "80"]).unwrap();
        assert_eq!(options.require::<u16>("port"), Ok(80));
        assert_eq!(options.get_or("size", 7), Ok(7));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        assert!(parse(&["--colour", "red"]).is_err());
        assert!(parse(&["port", "80"]).is_err());
        assert!(parse(&["--port"]).is_err());
        assert!(parse(&["--port", "eighty"]).unwrap().require::<u16>("port").is_err());
        assert!(parse(&[]).unwrap().require::<u16>("port").is_err());
    }
}
