//! A model folder as Hugging Face lays it out, and where its library keeps what it downloaded.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::file::{excerpt, read_capped};
use crate::json::{self, Map, Value};
use crate::tokenizer::Tokenizer;
use crate::weights::Checkpoint;

/// The longest configuration that is read, in bytes.
pub const MAX_CONFIG: u64 = 10_000_000;

/// A folder with `config.json`, and the files beside it that a model may need.
#[derive(Debug, Clone)]
pub struct ModelFolder {
    path: PathBuf,
    architecture: String,
    config: Map<String, Value>,
    generation: Map<String, Value>,
    preprocessor: Map<String, Value>,
}

impl ModelFolder {
    /// Opens the folder at `path` and reads its configurations, not its weights.
    ///
    /// # Errors
    /// [`Error::File`] if there is no such folder or a configuration is not a JSON object,
    /// [`Error::Config`] if it names no architecture or asks for quantized weights.
    pub fn open(path: impl AsRef<Path>) -> Result<ModelFolder> {
        let path = path.as_ref();
        if !path.is_dir() {
            let what = if path.exists() { "is not a folder" } else { "no such folder" };
            return Err(Error::file(path, what));
        }
        let file = path.join("config.json");
        if !file.exists() {
            return Err(Error::file(path, "has no config.json"));
        }
        let config = read_object(&file)?;
        let architecture = architecture(&file, &config)?;
        quantization(&file, &config)?;
        dtype(&file, &config)?;
        let optional = |name: &str| {
            let file = path.join(name);
            if file.exists() { read_object(&file) } else { Ok(Map::new()) }
        };
        Ok(ModelFolder {
            path: path.to_owned(),
            architecture,
            config,
            generation: optional("generation_config.json")?,
            preprocessor: optional("preprocessor_config.json")?,
        })
    }

    /// Opens `name` as a folder, or, where there is none, as `org/model` in the hub cache.
    ///
    /// # Errors
    /// As [`ModelFolder::open`] and [`hub_cache`].
    pub fn find(name: &str) -> Result<ModelFolder> {
        let path = Path::new(name);
        if path.exists() || repository(name).is_none() {
            ModelFolder::open(path)
        } else {
            ModelFolder::open(hub_cache(name)?)
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `architectures[0]`, or diffusers' `_class_name`.
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// The fields of `config.json`.
    pub fn config(&self) -> Config {
        Config::new(self.path.join("config.json").display(), self.config.clone())
    }

    /// The fields of `generation_config.json`, and of `config.json` where the first has none.
    pub fn generation(&self) -> Config {
        Config::new(self.path.join("generation_config.json").display(), self.generation.clone()).or(&self.config())
    }

    /// The fields of `preprocessor_config.json`: none if there is no such file.
    pub fn preprocessor(&self) -> Config {
        Config::new(self.path.join("preprocessor_config.json").display(), self.preprocessor.clone())
    }

    /// The weights, not loaded.
    ///
    /// # Errors
    /// As [`Checkpoint::open`].
    pub fn checkpoint(&self) -> Result<Checkpoint> {
        Checkpoint::open(&self.path)
    }

    /// The tokenizer in `tokenizer.json`.
    ///
    /// # Errors
    /// As [`Tokenizer::open`].
    pub fn tokenizer(&self) -> Result<Tokenizer> {
        let file = self.path.join("tokenizer.json");
        if !file.exists() {
            return Err(Error::file(&self.path, "has no tokenizer.json"));
        }
        Tokenizer::open(file)
    }
}

/// A JSON object in a file of configuration size.
///
/// # Errors
/// [`Error::File`] if it cannot be read, is too long, or is not a JSON object.
pub fn read_object(path: &Path) -> Result<Map<String, Value>> {
    json::parse_object(path, &read_capped(path, MAX_CONFIG)?)
}

fn architecture(file: &Path, config: &Map<String, Value>) -> Result<String> {
    let there = |key: &str| config.get(key).filter(|value| !value.is_null());
    let (key, value) = match (there("architectures"), there("_class_name")) {
        (Some(Value::Array(list)), _) => ("architectures", list.first()),
        (Some(other), _) => ("architectures", Some(other)),
        (None, class) => ("_class_name", class),
    };
    match value {
        Some(Value::String(name)) if !name.is_empty() => Ok(name.clone()),
        Some(other) => {
            let message = format!("found {}, expected the name of an architecture", json::describe(other));
            Err(Error::config(format!("{}: {key}", file.display()), message))
        }
        None if key == "architectures" => {
            Err(Error::config(format!("{}: {key}", file.display()), "is empty, expected the name of an architecture"))
        }
        None => {
            Err(Error::config(file.display().to_string(), "names no architecture, in architectures or _class_name"))
        }
    }
}

/// Quantized weights read as plain ones would run, and give nonsense.
fn quantization(file: &Path, config: &Map<String, Value>) -> Result<()> {
    let Some(value) = config.get("quantization_config").filter(|value| !value.is_null()) else { return Ok(()) };
    let method = value.get("quant_method").and_then(Value::as_str).unwrap_or("an unnamed method");
    let message = format!("weights quantized with {} are not supported; use the original checkpoint", excerpt(method));
    Err(Error::config(format!("{}: quantization_config", file.display()), message))
}

/// The dtype that the library loads weights as says nothing about their file, but one that no float has is a fault.
fn dtype(file: &Path, config: &Map<String, Value>) -> Result<()> {
    const KNOWN: &[&str] = &["float32", "float16", "bfloat16", "float64", "auto"];
    for key in ["dtype", "torch_dtype"] {
        if let Some(value) = config.get(key).filter(|value| !value.is_null())
            && !value.as_str().is_some_and(|name| KNOWN.contains(&name.trim_start_matches("torch.")))
        {
            let message = format!("found {}, expected one of {}", json::describe(value), KNOWN.join(", "));
            return Err(Error::config(format!("{}: {key}", file.display()), message));
        }
    }
    Ok(())
}

/// The folder of `org/model` in the standard hub cache, as `refs/main` names it.
///
/// # Errors
/// [`Error::File`] about the cache that says what to download, if it is not there.
pub fn hub_cache(name: &str) -> Result<PathBuf> {
    hub_cache_in(|key| std::env::var_os(key), name)
}

fn hub_cache_in(variable: impl Fn(&str) -> Option<OsString>, name: &str) -> Result<PathBuf> {
    let Some(folder) = repository(name) else {
        return Err(Error::config(excerpt(name), "is not the name of a model, such as openai-community/gpt2"));
    };
    let set = |key: &str| variable(key).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || set("HOME").or_else(|| set("USERPROFILE")).map(|home| home.join(".cache"));
    let cache = set("HF_HUB_CACHE").or_else(|| set("HUGGINGFACE_HUB_CACHE"));
    let cache = cache.or_else(|| set("HF_HOME").map(|home| home.join("hub")));
    let default = || Some(set("XDG_CACHE_HOME").or_else(home)?.join("huggingface/hub"));
    let Some(cache) = cache.or_else(default) else {
        return Err(Error::config("HF_HOME", format!("is not set and HOME neither, so {name} cannot be looked up")));
    };
    snapshot(&cache.join(folder)).ok_or_else(|| {
        let files = "config.json, model.safetensors and, for text, tokenizer.json";
        let how = format!("hf download {name}");
        Error::file(&cache, format!("does not hold {name}; download {files}, for example with `{how}`"))
    })
}

/// The folder name of a repository in the cache, if `name` can be one: `org/model` or `model`.
fn repository(name: &str) -> Option<String> {
    let part = |part: &str| {
        let plain = part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
        plain && !part.is_empty() && part.len() <= 96 && !part.starts_with('.') && !part.contains("..")
    };
    let parts: Vec<&str> = name.split('/').collect();
    (parts.len() <= 2 && parts.iter().all(|p| part(p))).then(|| format!("models--{}", parts.join("--")))
}

/// The snapshot that `refs/main` names, or the only one there is.
fn snapshot(repository: &Path) -> Option<PathBuf> {
    let snapshots = repository.join("snapshots");
    let complete = |path: &PathBuf| path.join("config.json").exists();
    if let Ok(commit) = read_capped(&repository.join("refs/main"), 100) {
        let commit = String::from_utf8(commit).ok()?;
        let commit = commit.trim();
        let plain = !commit.is_empty() && commit.chars().all(|c| c.is_ascii_alphanumeric());
        return Some(snapshots.join(commit)).filter(|path| plain && complete(path));
    }
    let mut found = std::fs::read_dir(snapshots).ok()?.flatten().map(|entry| entry.path()).filter(complete);
    let only = found.next()?;
    found.next().is_none().then_some(only)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn finds_the_snapshot_that_main_names() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for commit in ["aaa1", "bbb2"] {
            fs::create_dir_all(at(&format!("huggingface/hub/models--org--m/snapshots/{commit}"))).unwrap();
            fs::write(at(&format!("huggingface/hub/models--org--m/snapshots/{commit}/config.json")), "{}").unwrap();
        }
        let main = "huggingface/hub/models--org--m/refs/main";
        fs::create_dir_all(at(main).parent().unwrap()).unwrap();
        fs::write(at(main), "bbb2\n").unwrap();
        let from =
            |key: &'static str, path: PathBuf| move |asked: &str| (asked == key).then(|| path.clone().into_os_string());
        let expected = at("huggingface/hub/models--org--m/snapshots/bbb2");
        assert_eq!(hub_cache_in(from("XDG_CACHE_HOME", at("")), "org/m").unwrap(), expected);
        assert_eq!(hub_cache_in(from("HF_HOME", at("huggingface")), "org/m").unwrap(), expected);
        assert_eq!(hub_cache_in(from("HF_HUB_CACHE", at("huggingface/hub")), "org/m").unwrap(), expected);
        fs::write(at(main), "../../x").unwrap();
        assert!(hub_cache_in(from("HF_HUB_CACHE", at("huggingface/hub")), "org/m").is_err());
        fs::remove_file(at(main)).unwrap();
        assert!(hub_cache_in(from("HF_HUB_CACHE", at("huggingface/hub")), "org/m").is_err(), "two snapshots");
        fs::remove_dir_all(at("huggingface/hub/models--org--m/snapshots/aaa1")).unwrap();
        assert_eq!(hub_cache_in(from("HF_HUB_CACHE", at("huggingface/hub")), "org/m").unwrap(), expected);
    }

    #[test]
    fn says_what_to_download() {
        let error = hub_cache_in(|key| (key == "HF_HUB_CACHE").then(|| "/cache".into()), "org/m").unwrap_err();
        let expected = "/cache: does not hold org/m; download config.json, model.safetensors and, for text, \
                        tokenizer.json, for example with `hf download org/m`";
        assert_eq!(error.to_string(), expected);
        assert!(hub_cache_in(|_| None, "org/m").unwrap_err().to_string().contains("HOME"));
        for name in ["", "a/b/c", "../x", "a/..", "/etc", "a b", "a/b\n"] {
            assert!(matches!(hub_cache_in(|_| None, name), Err(Error::Config { .. })), "{name}");
        }
    }
}
