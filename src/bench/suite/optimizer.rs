//! Updates of a million weights.

use super::{DDPM, Entry, GPT2, entry};
use crate::check::Case;
use crate::config::Config;
use crate::kernels::optimizer::accumulate::ACCUMULATE;
use crate::kernels::optimizer::adadelta::ADADELTA;
use crate::kernels::optimizer::adagrad::ADAGRAD;
use crate::kernels::optimizer::adam::{ADAM, ADAMW, ADAMW_AMSGRAD, AMSGRAD};
use crate::kernels::optimizer::clip_scale::{CLIP_SCALE, SUM_OF_SQUARES};
use crate::kernels::optimizer::ema_update::EMA_UPDATE;
use crate::kernels::optimizer::ftrl::FTRL;
use crate::kernels::optimizer::rmsprop::{RMSPROP, RMSPROP_CENTERED, RMSPROP_CENTERED_MOMENTUM, RMSPROP_MOMENTUM};
use crate::kernels::optimizer::sgd::{MOMENTUM, SGD};
use crate::train::optimizer::{Optimizer, factors};

const N: usize = 1 << 20;

/// The fifth update by the optimizer that `settings` describe.
fn update(c: Case, settings: &str) -> Case {
    let optimizer = Optimizer::read(&Config::parse("optimizer", settings).expect("bug: settings that are no JSON"));
    let states = optimizer.states().iter().fold(c.x(&[N]), |c, state| match *state {
        "m" | "c" | "b" | "z" => c.range(&[N], -0.5, 0.5),
        _ => c.range(&[N], 0.3, 1.0),
    });
    states.x(&[N]).list(&optimizer.hyper(5, optimizer.lr().unwrap_or(1.0), None))
}

pub(super) static CASES: &[Entry] = &[
    entry(&SGD, "f32/1048576", &[], |c| update(c, r#"{"name": "sgd", "lr": 0.1}"#)),
    entry(&MOMENTUM, "f32/1048576", &[], |c| update(c, r#"{"name": "momentum", "lr": 0.1, "momentum": 0.9}"#)),
    entry(&ADAGRAD, "f32/1048576", &[], |c| update(c, r#"{"name": "adagrad", "lr": 0.1}"#)),
    entry(&RMSPROP, "f32/1048576", &[], |c| update(c, r#"{"name": "rmsprop", "lr": 0.01}"#)),
    entry(&RMSPROP_MOMENTUM, "f32/1048576", &[], |c| update(c, r#"{"name": "rmsprop", "lr": 0.01, "momentum": 0.9}"#)),
    entry(&RMSPROP_CENTERED, "f32/1048576", &[], |c| update(c, r#"{"name": "rmsprop", "lr": 0.01, "centered": true}"#)),
    entry(&RMSPROP_CENTERED_MOMENTUM, "f32/1048576", &[], |c| {
        update(c, r#"{"name": "rmsprop", "lr": 0.01, "centered": true, "momentum": 0.5}"#)
    }),
    entry(&ADADELTA, "f32/1048576", &[], |c| update(c, r#"{"name": "adadelta", "lr": 1.0}"#)),
    entry(&ADAM, "f32/1048576", &[], |c| update(c, r#"{"name": "adam", "lr": 0.001}"#)),
    entry(&AMSGRAD, "f32/1048576", &[], |c| update(c, r#"{"name": "adam", "lr": 0.001, "amsgrad": true}"#)),
    entry(&ADAMW, "f32/1048576", &[], |c| update(c, r#"{"name": "adamw", "lr": 0.001}"#)),
    entry(&ADAMW_AMSGRAD, "f32/1048576", &[], |c| update(c, r#"{"name": "adamw", "lr": 0.001, "amsgrad": true}"#)),
    entry(&FTRL, "f32/1048576", &[], |c| {
        update(c, r#"{"name": "ftrl", "alpha": 0.1, "beta": 1, "l1": 0.3, "l2": 0.01}"#)
    }),
    entry(&ACCUMULATE, "f32/1048576", &[], |c| c.x(&[N]).x(&[N]).list(&[1.0])),
    entry(&SUM_OF_SQUARES, "f32/1048576", &[], |c| c.x(&[N])),
    entry(&CLIP_SCALE, "f32/7594/gpt2", &[GPT2], |c| c.range(&[7594], 0.0, 4.0).list(&[1.0, 1.0])),
    entry(&EMA_UPDATE, "f32/1048576", &[DDPM], |c| c.x(&[N]).x(&[N]).list(&factors(0.9999))),
];
