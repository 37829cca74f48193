//! What an adapter can do, as plain data. Named profiles need no device, so that plans and their
//! snapshots can be made anywhere.

/// What kind of machine executes the shaders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AdapterKind {
    /// A software rasteriser on the CPU (lavapipe, SwiftShader, WARP).
    Cpu,
    /// A GPU with memory of its own.
    Discrete,
    /// A GPU that shares the host's memory.
    Integrated,
    /// A GPU that does not say which.
    Other,
}

/// Features, limits and type of an adapter.
#[derive(Debug, Clone, PartialEq)]
pub struct Adapter {
    /// Name as the driver gives it.
    pub name: String,
    /// Vulkan, Metal, Dx12 or BrowserWebGpu.
    pub backend: String,
    /// Driver and version, as the driver gives them.
    pub driver: String,
    /// What executes the shaders.
    pub kind: AdapterKind,
    /// f16 arithmetic and storage in shaders.
    pub f16: bool,
    /// The profile whose limits took f16 from it.
    pub f16_denied_by: Option<String>,
    /// Side of the cooperative matrices it has in f16 with sums in f32, 16 or 8.
    pub cooperative: Option<u32>,
    /// Subgroup operations, and the smallest and largest subgroup size.
    pub subgroup: Option<(u32, u32)>,
    /// Timestamps inside a compute pass.
    pub timestamps: bool,
    /// Largest storage binding, in bytes.
    pub max_binding: u64,
    /// Largest buffer, in bytes.
    pub max_buffer: u64,
    /// Storage buffers of one shader.
    pub max_storage_buffers: u32,
    /// Workgroups along one axis.
    pub max_groups: u32,
    /// Invocations of a workgroup.
    pub max_invocations: u32,
    /// Workgroup memory, in bytes.
    pub max_workgroup_bytes: u32,
    /// Storage offsets are multiples of this, in bytes.
    pub storage_alignment: u32,
    /// Uniform offsets are multiples of this, in bytes.
    pub uniform_alignment: u32,
    /// Loop iterations one invocation may do before the driver stops it silently
    /// (Mesa's llvmpipe: 65,535 over all loops of the shader).
    pub max_loop_iterations: Option<u64>,
}

impl Adapter {
    /// The limits every WebGPU implementation grants, and no optional feature.
    pub fn webgpu() -> Adapter {
        Adapter {
            name: "webgpu".into(),
            backend: "BrowserWebGpu".into(),
            driver: String::new(),
            kind: AdapterKind::Other,
            f16: false,
            f16_denied_by: None,
            cooperative: None,
            subgroup: None,
            timestamps: false,
            max_binding: 128 << 20,
            max_buffer: 256 << 20,
            max_storage_buffers: 8,
            max_groups: 65_535,
            max_invocations: 256,
            max_workgroup_bytes: 16 << 10,
            storage_alignment: 256,
            uniform_alignment: 256,
            max_loop_iterations: None,
        }
    }

    /// Mesa's software Vulkan driver (22.3.6 figures).
    pub fn lavapipe() -> Adapter {
        Adapter {
            name: "lavapipe".into(),
            backend: "Vulkan".into(),
            kind: AdapterKind::Cpu,
            f16: true,
            subgroup: Some((8, 8)),
            timestamps: true,
            max_buffer: 2 << 30,
            max_invocations: 1024,
            max_workgroup_bytes: 32 << 10,
            storage_alignment: 16,
            uniform_alignment: 16,
            max_loop_iterations: Some(65_535),
            ..Adapter::webgpu()
        }
    }

    /// SwiftShader: a software driver with subgroups of 4 and no f16.
    pub fn swiftshader() -> Adapter {
        Adapter {
            name: "swiftshader".into(),
            f16: false,
            subgroup: Some((4, 4)),
            max_invocations: 256,
            max_workgroup_bytes: 16 << 10,
            max_loop_iterations: None,
            ..Adapter::lavapipe()
        }
    }

    /// A data-centre NVIDIA GPU through Vulkan.
    pub fn nvidia() -> Adapter {
        Adapter {
            name: "nvidia".into(),
            backend: "Vulkan".into(),
            kind: AdapterKind::Discrete,
            f16: true,
            cooperative: Some(16),
            subgroup: Some((32, 32)),
            timestamps: true,
            max_binding: (2 << 30) - 4,
            max_buffer: 1 << 40,
            max_invocations: 1024,
            max_workgroup_bytes: 48 << 10,
            storage_alignment: 16,
            uniform_alignment: 64,
            max_loop_iterations: None,
            ..Adapter::webgpu()
        }
    }

    /// An Apple GPU through Metal.
    pub fn apple() -> Adapter {
        Adapter {
            name: "apple".into(),
            backend: "Metal".into(),
            kind: AdapterKind::Integrated,
            f16: true,
            cooperative: Some(8),
            subgroup: Some((32, 32)),
            timestamps: false,
            max_binding: 1 << 31,
            max_buffer: 1 << 33,
            max_invocations: 1024,
            max_workgroup_bytes: 32 << 10,
            storage_alignment: 256,
            ..Adapter::webgpu()
        }
    }

    /// The profile called `name`, if there is one.
    pub fn named(name: &str) -> Option<Adapter> {
        Adapter::profiles().into_iter().find(|p| p.name == name)
    }

    /// Every named profile.
    pub fn profiles() -> Vec<Adapter> {
        vec![Adapter::webgpu(), Adapter::lavapipe(), Adapter::swiftshader(), Adapter::nvidia(), Adapter::apple()]
    }

    /// This adapter with no more than `limits` has: natively checks what a smaller adapter would say.
    pub fn limited_to(&self, limits: &Adapter) -> Adapter {
        Adapter {
            f16: self.f16 && limits.f16,
            f16_denied_by: (self.f16 && !limits.f16).then(|| limits.name.clone()),
            cooperative: self.cooperative.filter(|_| limits.cooperative == self.cooperative),
            subgroup: limits.subgroup.and(self.subgroup),
            max_binding: self.max_binding.min(limits.max_binding),
            max_buffer: self.max_buffer.min(limits.max_buffer),
            max_storage_buffers: self.max_storage_buffers.min(limits.max_storage_buffers),
            max_groups: self.max_groups.min(limits.max_groups),
            max_invocations: self.max_invocations.min(limits.max_invocations),
            max_workgroup_bytes: self.max_workgroup_bytes.min(limits.max_workgroup_bytes),
            storage_alignment: self.storage_alignment.max(limits.storage_alignment),
            uniform_alignment: self.uniform_alignment.max(limits.uniform_alignment),
            ..self.clone()
        }
    }
}
