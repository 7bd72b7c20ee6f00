//! At least so many processes have this name.

use std::path::Path;

use super::{Found, Miss, Prober};

/// Processes looked at; the kernel allows four million, a machine this tool is for has thousands.
const PROCESSES: usize = 65_536;
/// Bytes of a command line looked at.
const COMMAND_LINE: usize = 4096;
/// The kernel keeps this much of a name in `comm`.
const COMM: usize = 15;

impl Prober {
    pub(super) async fn process(&self, name: &str, command_line: Option<&str>, min: u32) -> Found {
        if name.is_empty() || name.contains(['/', '\0']) {
            return Err(Miss::Unknown(format!(
                "{name:?} is no process name: write what `ps -o comm` shows"
            )));
        }
        let (owned, text) = (name.to_owned(), command_line.map(str::to_owned));
        let found = self
            .blocking(move || count(Path::new("/proc"), &owned, text.as_deref()))
            .await?;
        let text = format!("{found} named {name}");
        if found >= min {
            Ok(text)
        } else {
            Err(Miss::Failed(format!("{text}, expected at least {min}")))
        }
    }
}

fn count(proc: &Path, name: &str, command_line: Option<&str>) -> Result<u32, Miss> {
    let entries = std::fs::read_dir(proc)
        .map_err(|error| Miss::Unknown(format!("/proc: {}", super::plain(&error))))?;
    let mut found = 0;
    let mut buffer = Vec::with_capacity(COMMAND_LINE);
    let processes = entries.flatten().filter(|entry| {
        let name = entry.file_name();
        name.as_encoded_bytes().iter().all(u8::is_ascii_digit)
    });
    for process in processes.take(PROCESSES) {
        let folder = process.path();
        if !named(&folder, name, &mut buffer) {
            continue;
        }
        if let Some(text) = command_line {
            read(&folder.join("cmdline"), &mut buffer);
            // Arguments are separated by NUL; people write spaces.
            buffer
                .iter_mut()
                .filter(|byte| **byte == 0)
                .for_each(|byte| *byte = b' ');
            if !String::from_utf8_lossy(&buffer).contains(text) {
                continue;
            }
        }
        found += 1;
    }
    Ok(found)
}

/// By `comm`, which the kernel cuts, or by the last part of the program's path.
fn named(folder: &Path, name: &str, buffer: &mut Vec<u8>) -> bool {
    read(&folder.join("comm"), buffer);
    let comm = buffer.strip_suffix(b"\n").unwrap_or(buffer);
    if comm == name.as_bytes() {
        return true;
    }
    // A thread may rename itself, so the program decides, where the agent may know it.
    match std::fs::read_link(folder.join("exe")) {
        Ok(exe) => {
            let exe = exe
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            exe.strip_suffix(" (deleted)").unwrap_or(&exe) == name
        }
        Err(_) => name.len() > COMM && comm == &name.as_bytes()[..COMM],
    }
}

/// The first bytes of a file; none if it is gone, as processes end while they are counted.
fn read(path: &Path, buffer: &mut Vec<u8>) {
    use std::io::Read;
    buffer.clear();
    if let Ok(file) = std::fs::File::open(path) {
        let _ = file.take(COMMAND_LINE as u64).read_to_end(buffer);
    }
}
