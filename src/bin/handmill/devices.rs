//! `handmill devices`

use handmill::adapter::Adapter;
use handmill::cooperative::described;
use handmill::device::{Device, Select, adapters, preferred};
use handmill::error::Result;

use crate::{Outcome, print};

/// Lists the adapters, and which one `auto` takes.
pub fn devices() -> Result<Outcome> {
    let found = adapters()?;
    let chosen = preferred(&found);
    if found.is_empty() {
        print("no adapter; `auto` runs the CPU reference\n");
        return Ok(Outcome::Done);
    }
    for (i, adapter) in found.iter().enumerate() {
        let mark = if chosen == Some(i) { "  (auto)" } else { "" };
        // What is offered is tried when a device is opened.
        let opened = adapter.cooperative.map(|_| Device::open(&Select::Index(i))).transpose()?;
        let refused = opened.as_ref().and_then(|device| device.refused());
        print(&format!("gpu:{i}  {}{mark}\n{}", adapter.name, describe(adapter, refused)));
    }
    Ok(Outcome::Done)
}

fn describe(a: &Adapter, refused: Option<&str>) -> String {
    let yes = |b: bool| if b { "yes" } else { "no" };
    let subgroup = a
        .subgroup
        .map_or("none".into(), |(min, max)| if min == max { format!("{min}") } else { format!("{min} to {max}") });
    let loops =
        a.max_loop_iterations.map_or(String::new(), |n| format!("    loop iterations of an invocation   {n}\n"));
    format!(
        "    backend {}, driver {}, {:?}\n\
         \x20   f16 {}, subgroups {subgroup}, timestamps {}\n\
         \x20   cooperative matrices                {}\n\
         \x20   storage binding                     {} bytes\n\
         \x20   buffer                              {} bytes\n\
         \x20   storage buffers of a shader         {}\n\
         \x20   workgroups along an axis            {}\n\
         \x20   invocations of a workgroup          {}\n\
         \x20   workgroup memory                    {} bytes\n{loops}",
        a.backend,
        a.driver,
        a.kind,
        yes(a.f16),
        yes(a.timestamps),
        described(a, refused),
        a.max_binding,
        a.max_buffer,
        a.max_storage_buffers,
        a.max_groups,
        a.max_invocations,
        a.max_workgroup_bytes,
    )
}
