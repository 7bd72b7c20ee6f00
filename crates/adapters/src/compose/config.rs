//! Which file, of which folder, as which project. Pure but for listing the folder's candidates.

use std::path::{Path, PathBuf};

use super::Flavor;

/// Names compose looks for in a folder, and the overrides it merges.
const FILES: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
];
const OVERRIDES: [&str; 4] = [
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];

/// A compose file as a service of the fleet names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    folder: PathBuf,
    file: Option<String>,
    project: Option<String>,
}

/// A part of a target compose must not get.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {text:?}: {why}")]
pub struct Invalid {
    pub field: &'static str,
    pub text: String,
    pub why: &'static str,
}

fn invalid(field: &'static str, text: &str, why: &'static str) -> Invalid {
    Invalid {
        field,
        text: text.chars().take(120).collect(),
        why,
    }
}

impl Target {
    pub fn new(path: &str, file: Option<&str>, project: Option<&str>) -> Result<Target, Invalid> {
        let climbs = |path: &str| path.split('/').any(|part| part == "..") || path.contains('\0');
        if !path.starts_with('/') || climbs(path) {
            return Err(invalid("path", path, "write an absolute path without '..'"));
        }
        if let Some(file) = file.filter(|f| f.is_empty() || f.starts_with(['-', '/']) || climbs(f))
        {
            return Err(invalid(
                "file",
                file,
                "write the name of a file inside the folder",
            ));
        }
        let letters =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
        let named =
            |p: &str| p.starts_with(|c: char| c.is_ascii_alphanumeric()) && p.chars().all(letters);
        if let Some(project) = project.filter(|p| !named(p)) {
            return Err(invalid(
                "project",
                project,
                "use lower-case letters, digits, '-' and '_'",
            ));
        }
        let own = |text: Option<&str>| text.map(ToOwned::to_owned);
        Ok(Target {
            folder: PathBuf::from(path),
            file: own(file),
            project: own(project),
        })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file compose would read, if it is there. Compose would go on to search the parent folders: that would be
    /// another project, so it is never started without a file here.
    pub(super) fn main_file(&self) -> Option<PathBuf> {
        match &self.file {
            Some(file) => Some(self.folder.join(file)).filter(|path| path.is_file()),
            None => FILES
                .iter()
                .map(|name| self.folder.join(name))
                .find(|path| path.is_file()),
        }
    }

    /// Everything whose change may change what compose resolves.
    pub(super) fn inputs(&self) -> Vec<PathBuf> {
        let mut names: Vec<&str> = vec![".env"];
        match &self.file {
            Some(file) => names.push(file),
            None => names.extend(FILES.iter().chain(&OVERRIDES)),
        }
        names
            .into_iter()
            .map(|name| self.folder.join(name))
            .collect()
    }

    /// Options before the command.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut args = Vec::new();
        if let Some(file) = &self.file {
            args.extend(["-f".to_owned(), file.clone()]);
        }
        if let Some(project) = &self.project {
            args.extend(["-p".to_owned(), project.clone()]);
        }
        args
    }

    /// The project's name as compose would choose it: said, from `.env`, from the file (v2), from the folder.
    pub(super) fn project_name(&self, flavor: Flavor, dot_env: &str, file: &str) -> String {
        if let Some(project) = &self.project {
            return project.clone();
        }
        let from_env = dot_env
            .lines()
            .find_map(|line| line.trim().strip_prefix("COMPOSE_PROJECT_NAME="));
        let from_file = file
            .lines()
            .filter(|_| flavor == Flavor::V2)
            .find_map(|line| line.strip_prefix("name:"));
        let folder = self
            .folder
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let said = from_env
            .or(from_file)
            .map(|name| name.split('#').next().unwrap_or(name));
        let said = said
            .map(|name| name.trim().trim_matches(['"', '\'']))
            .filter(|name| !name.is_empty());
        normal(said.unwrap_or(&folder), flavor)
    }
}

/// Both versions lower the case and drop what is no letter, digit, `-` or `_`; v2 also trims the start.
fn normal(name: &str, flavor: Flavor) -> String {
    let lower = name.to_lowercase();
    let kept: String = lower
        .chars()
        .filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'))
        .collect();
    match flavor {
        Flavor::V1 if kept.is_empty() => "default".into(),
        Flavor::V1 => kept,
        Flavor::V2 => kept.trim_start_matches(['-', '_']).to_owned(),
    }
}

/// Names of services inside a file, as an order gives them.
pub(super) fn service(name: &str) -> Result<&str, Invalid> {
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(letters)
        && name.len() <= 255
    {
        Ok(name)
    } else {
        Err(invalid("service", name, "it is not the name of a service"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_leave_the_folder_or_become_an_option_is_refused() {
        let field = |path: &str, file, project| {
            Target::new(path, file, project).expect_err("refused").field
        };
        assert_eq!(field("srv/x", None, None), "path");
        assert_eq!(field("/srv/../etc", None, None), "path");
        assert_eq!(field("--help", None, None), "path");
        assert_eq!(field("/srv", Some("../x.yml"), None), "file");
        assert_eq!(field("/srv", Some("-x.yml"), None), "file");
        assert_eq!(field("/srv", Some("/etc/x.yml"), None), "file");
        assert_eq!(field("/srv", None, Some("a b")), "project");
        assert_eq!(field("/srv", None, Some("-x")), "project");
        for bad in ["--privileged", "a b", "a;b", "$(x)", ""] {
            assert!(service(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn options_name_file_and_project_only_where_they_were_said() {
        let target = |file, project| Target::new("/srv/shop", file, project).expect("valid");
        assert_eq!(target(None, None).arguments(), Vec::<String>::new());
        assert_eq!(
            target(Some("a.yml"), Some("p")).arguments(),
            ["-f", "a.yml", "-p", "p"]
        );
    }

    #[test]
    fn the_project_is_named_as_compose_names_it() {
        let target = Target::new("/srv/My.Shop_2", None, None).expect("valid");
        assert_eq!(target.project_name(Flavor::V1, "", ""), "myshop_2");
        assert_eq!(
            target.project_name(
                Flavor::V2,
                "A=b\nCOMPOSE_PROJECT_NAME=other\n",
                "name: no\n"
            ),
            "other"
        );
        assert_eq!(
            target.project_name(Flavor::V2, "", "name: \"that\" # ours\nservices:\n"),
            "that"
        );
        assert_eq!(
            target.project_name(Flavor::V1, "", "name: that\n"),
            "myshop_2",
            "v1 knows no name"
        );
        assert_eq!(normal("_x", Flavor::V2), "x");
        assert_eq!(normal("_x", Flavor::V1), "_x");
    }
}
