//! Reading the kernel entries out of PTX.

/// A compiled `.cu` file.
pub struct Module {
    pub name: String,
    pub version: (u32, u32),
    pub target: String,
    pub entries: Vec<Entry>,
}

/// A kernel.
pub struct Entry {
    pub name: String,
    /// Bytes of each parameter.
    pub params: Vec<u16>,
}

impl Module {
    pub fn parse(name: &str, ptx: &str) -> Result<Module, String> {
        let at = |what: &str| format!("kernels/{name}.cu: the PTX that nvcc wrote has {what}");
        let directive = |key: &str| {
            let value = ptx.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
            value.ok_or_else(|| at(&format!("no `{key}`")))
        };
        let version = directive(".version")?;
        let version =
            version.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        let entries: Result<Vec<_>, String> = ptx
            .split(".entry ")
            .skip(1)
            .map(|text| entry(text).ok_or_else(|| at("an entry of unknown form")))
            .collect();
        let entries = entries?;
        if let Some(entry) = entries.iter().find(|entry| entry.name.starts_with("_Z")) {
            return Err(format!("kernels/{name}.cu: kernel `{}` needs extern \"C\"", entry.name));
        }
        Ok(Module {
            name: name.to_string(),
            version: version.ok_or_else(|| at("a strange .version"))?,
            target: directive(".target")?.split(',').next().unwrap_or_default().to_string(),
            entries,
        })
    }
}

/// Reads `NAME(.param .u64 NAME_param_0, .param .align 2 .b8 NAME_param_1[2])`, or `NAME()`.
fn entry(text: &str) -> Option<Entry> {
    let (name, rest) = text.split_once('(')?;
    let (params, _) = rest.split_once(')')?;
    let params: Option<Vec<u16>> = params.split(',').filter(|p| !p.trim().is_empty()).map(param).collect();
    Some(Entry { name: name.trim().to_string(), params: params? })
}

/// Bytes of `.param .align 2 .b8 NAME[2]`: those of the type, times the length if there is one.
fn param(text: &str) -> Option<u16> {
    let bits: u16 = text.split_whitespace().find_map(|word| {
        ["u", "s", "b", "f"].iter().find_map(|kind| word.strip_prefix('.')?.strip_prefix(kind)?.parse().ok())
    })?;
    let length = match text.split_once('[') {
        Some((_, rest)) => rest.split_once(']')?.0.parse().ok()?,
        None => 1,
    };
    (bits / 8).checked_mul(length)
}
