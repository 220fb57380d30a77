package sim

import (
	"fmt"
	"strings"
	"testing"
)

// formTable lists the forms of the instructions that the simulator knows, as PTX spells them. In a name, {a,b} stands for each of a and b. Operands: b, h, r, d
// and p are registers of 8, 16, 32, 64 bits and predicates.
const formTable = `
{add,sub}.{u16,s16} h h h
{add,sub}.{u32,s32,sat.s32,cc.u32,cc.s32,u16x2,s16x2} r r r
{add,sub}.{u64,s64,cc.u64,cc.s64} d d d
{addc,subc}.{u32,s32,cc.u32,cc.s32} r r r
{addc,subc}.{u64,s64,cc.u64,cc.s64} d d d
mul.{lo,hi}.{u16,s16} h h h
mul.{lo,hi}.{u32,s32} r r r
mul.{lo,hi}.{u64,s64} d d d
mul.wide.{u16,s16} r h h
mul.wide.{u32,s32} d r r
mad.{lo,hi}.{u16,s16} h h h h
mad.{lo,hi}.{u32,s32} r r r r
mad.{lo,hi}.{u64,s64} d d d d
mad.wide.{u16,s16} r h h r
mad.wide.{u32,s32} d r r d
mad.hi.sat.s32 r r r r
mad.{lo,hi}.cc.{u32,s32} r r r r
madc.{lo,hi}{,.cc}.{u32,s32} r r r r
madc.{lo,hi}{,.cc}.{u64,s64} d d d d
mul24.{lo,hi}.{u32,s32} r r r
mad24.{lo,hi}.{u32,s32} r r r r
mad24.hi.sat.s32 r r r r
{div,rem,min,max}.{u16,s16} h h h
{div,rem,min,max}.{u32,s32} r r r
{div,rem,min,max}.{u64,s64} d d d
{abs,neg}.s16 h h
{abs,neg}.s32 r r
{abs,neg}.s64 d d
{min,max}.{u16x2,s16x2,relu.s16x2,relu.s32} r r r
sad.{u16,s16} h h h h
sad.{u32,s32} r r r r
sad.{u64,s64} d d d d
dp4a.{u32,s32}.{u32,s32} r r r r
dp2a.{lo,hi}.{u32,s32}.{u32,s32} r r r r
{and,or,xor}.pred p p p
{and,or,xor}.b16 h h h
{and,or,xor}.b32 r r r
{and,or,xor}.b64 d d d
not.pred p p
{not,cnot}.b16 h h
{not,cnot}.b32 r r
{not,cnot}.b64 d d
shl.b16 h h r
shl.b32 r r r
shl.b64 d d r
shr.{b16,u16,s16} h h r
shr.{b32,u32,s32} r r r
shr.{b64,u64,s64} d d r
lop3.b32 r r r r 0x96
lop3.{and,or}.b32 r|p r r r 0x96 p
shf.{l,r}.{clamp,wrap}.b32 r r r r
bfe.{u32,s32} r r r r
bfe.{u64,s64} d d r r
bfi.b32 r r r r r
bfi.b64 d d d r r
bfind{,.shiftamt}.{u32,s32} r r
bfind{,.shiftamt}.{u64,s64} r d
{clz,popc,brev}.b32 r r
{clz,popc}.b64 r d
brev.b64 d d
fns.b32 r r r r
prmt.b32{,.f4e,.b4e,.rc8,.ecl,.ecr,.rc16} r r r r
bmsk.{clamp,wrap}.b32 r r r
szext.{clamp,wrap}.{u32,s32} r r r
{add,sub,mul}{,.rn,.rz,.rm,.rp}{,.ftz}{,.sat}.f32 r r r
{add,sub,mul}{,.rn,.rz,.rm,.rp}.f64 d d d
{add,sub,mul}{,.rn}{,.ftz}{,.sat}.f16 h h h
{add,sub,mul}{,.rn}{,.ftz}{,.sat}.f16x2 r r r
{add,sub,mul}{,.rn}.bf16 h h h
{add,sub,mul}{,.rn}.bf16x2 r r r
{fma,mad}.{rn,rz,rm,rp}{,.ftz}{,.sat}.f32 r r r r
{fma,mad}.{rn,rz,rm,rp}.f64 d d d d
fma.rn{,.ftz}{,.sat,.relu}.f16 h h h h
fma.rn{,.ftz}{,.sat,.relu}.f16x2 r r r r
fma.rn{,.relu}.bf16 h h h h
fma.rn{,.relu}.bf16x2 r r r r
{add,sub}.rn.f32.{f16,bf16} r h r
fma.rn.f32.{f16,bf16} r h h r
div.{approx,full,rn,rz,rm,rp}{,.ftz}.f32 r r r
div.{rn,rz,rm,rp}.f64 d d d
{rcp,sqrt}.{approx,rn,rz,rm,rp}{,.ftz}.f32 r r
{rcp,sqrt}.{rn,rz,rm,rp}.f64 d d
rcp.approx.ftz.f64 d d
rsqrt.approx{,.ftz}.f32 r r
rsqrt.approx{,.ftz}.f64 d d
{sin,cos,lg2,ex2}.approx{,.ftz}.f32 r r
tanh.approx.f32 r r
{tanh,ex2}.approx.f16 h h
{tanh,ex2}.approx.f16x2 r r
tanh.approx.bf16 h h
tanh.approx.bf16x2 r r
ex2.approx.ftz.bf16 h h
ex2.approx.ftz.bf16x2 r r
{abs,neg}{,.ftz}.f32 r r
{abs,neg}.f64 d d
{abs,neg}{,.ftz}.f16 h h
{abs,neg}{,.ftz}.f16x2 r r
{abs,neg}.bf16 h h
{abs,neg}.bf16x2 r r
{min,max}{,.ftz}{,.NaN}{,.xorsign.abs}.f32 r r r
{min,max}.f64 d d d
{min,max}{,.ftz}{,.NaN}{,.xorsign.abs}.f16 h h h
{min,max}{,.ftz}{,.NaN}{,.xorsign.abs}.f16x2 r r r
{min,max}{,.NaN}{,.xorsign.abs}.bf16 h h h
{min,max}{,.NaN}{,.xorsign.abs}.bf16x2 r r r
copysign.f32 r r r
copysign.f64 d d d
testp.{finite,infinite,number,notanumber,normal,subnormal}.f32 p r
testp.{finite,infinite,number,notanumber,normal,subnormal}.f64 p d
setp.{eq,ne}.b16 p h h
setp.{eq,ne}.b32 p|p r r
setp.{eq,ne}.b64 p d d
setp.{eq,ne,lt,le,gt,ge}.{u16,s16} p h h
setp.{eq,ne,lt,le,gt,ge}.{u32,s32} p r r
setp.{eq,ne,lt,le,gt,ge}.{u64,s64} p d d
setp.{lo,ls,hi,hs}.u16 p h h
setp.{lo,ls,hi,hs}.u32 p r r
setp.{lo,ls,hi,hs}.u64 p d d
setp.{eq,ne,lt,le,gt,ge,equ,neu,ltu,leu,gtu,geu,num,nan}{,.ftz}.f32 p r r
setp.{eq,ne,lt,le,gt,ge,equ,neu,ltu,leu,gtu,geu,num,nan}.f64 p d d
setp.{eq,ne,lt,le,gt,ge,equ,neu,ltu,leu,gtu,geu,num,nan}{,.ftz}.f16 p h h
setp.{eq,ne,lt,le,gt,ge,equ,neu,ltu,leu,gtu,geu,num,nan}{,.ftz}.f16x2 p|p r r
setp.{eq,ne,lt,le,gt,ge,equ,neu,ltu,leu,gtu,geu,num,nan}.bf16 p h h
setp.{eq,ne,lt,le,gt,ge,equ,neu,ltu,leu,gtu,geu,num,nan}.bf16x2 p|p r r
setp.lt.{and,or,xor}.s32 p|p r r !p
setp.lt.{and,or,xor}{,.ftz}.f32 p|p r r p
setp.lt.{and,or,xor}.f16x2 p|p r r p
set.lt{,.ftz}.{u32,s32,f32}.f32 r r r
set.lt.{and,or,xor}{,.ftz}.{u32,s32,f32}.f32 r r r !p
set.lt.{u32,s32,f32}.{u32,s32,b32} r r r
set.lt.{u32,s32,f32}.{u64,s64,f64} r d d
set.lt.{u16,f16}.f16 h h h
set.lt.bf16.bf16 h h h
set.lt.{u32,f16x2}.f16x2 r r r
set.lt.bf16x2.bf16x2 r r r
selp.{b16,u16,s16} h h h p
selp.{b32,u32,s32,f32} r r r p
selp.{b64,u64,s64,f64} d d d p
slct.{b16,u16,s16}.{s32,f32} h h h r
slct.{b32,u32,s32,f32}.{s32,f32} r r r r
slct.{b64,u64,s64,f64}{.s32,.f32} d d d r
mov.pred p p
mov.{b16,u16,s16} h h
mov.{b32,u32,s32,f32} r r
mov.{b64,u64,s64,f64} d d
mov.b32 r {h,h}
mov.b32 {h,h} r
mov.b64 d {r,r}
mov.b64 {r,_} d
mov.b64 d {h,h,h,h}
mov.b64 {h,h,h,h} d
mov.b16 h {b,b}
mov.b32 {b,b,b,b} r
mov.u64 d g
mov.u32 r s
mov.u64 d s+4
mov.u64 d f
mov.u32 r %{tid,ntid,ctaid,nctaid}.{x,y,z}
mov.u32 r %{laneid,warpid,nwarpid,smid,nsmid,clock,clock_hi,globaltimer_lo,globaltimer_hi,dynamic_smem_size,total_smem_size,aggr_smem_size,pm0,envreg3}
mov.u32 r %lanemask_{eq,lt,le,gt,ge}
mov.u64 d %{clock64,globaltimer,gridid,current_graph_exec}
mov.u32 r %{clusterid,nclusterid,cluster_ctaid,cluster_nctaid}.x
mov.u32 r %{cluster_ctarank,cluster_nctarank}
mov.pred p %is_explicit_cluster
mov.u32 r WARP_SZ
cvt.{u16,s16}.{u32,s32} h r
cvt.{u32,s32,u64,s64,u16,s16,u8,s8}.{u8,s8} r r
cvt{,.sat}.{u8,s8,u16,s16,u32,s32}.{u64,s64} r d
cvt.{rni,rzi,rmi,rpi}{,.ftz}{,.sat}.{u32,s32}.f32 r r
cvt.{rni,rzi,rmi,rpi}.{u64,s64}.{f32} d r
cvt.{rni,rzi,rmi,rpi}.{u64,s64}.f64 d d
cvt.{rni,rzi,rmi,rpi}.{u16,s16}.{f16,bf16} h h
cvt.{rn,rz,rm,rp}.{f32}.{u32,s32} r r
cvt.{rn,rz,rm,rp}.f64.{u64,s64} d d
cvt.{rn,rz,rm,rp}.{f16,bf16}.{u32,s32,f32} h r
cvt.{rni,rzi,rmi,rpi}{,.ftz}{,.sat}.f32.f32 r r
cvt.{rni,rzi,rmi,rpi}.f64.f64 d d
cvt{,.ftz,.sat,.ftz.sat}.f32.f32 r r
cvt{,.ftz}.f64.f32 d r
cvt.{rn,rz,rm,rp}{,.ftz}{,.sat}.f32.f64 r d
cvt.f32.{f16,bf16} r h
cvt.f64.{f16,bf16} d h
cvt.{rn,rz}{,.relu}{,.satfinite}.{f16x2,bf16x2}.f32 r r r
cvt.{rn,rz}{,.relu}{,.satfinite}.{f16,bf16}.f32 h r
cvt.rna{,.satfinite}.tf32.f32 r r
cvt.{rn,rz}{,.relu}{,.satfinite}.tf32.f32 r r
cvt.rn.satfinite{,.relu}.{e4m3x2,e5m2x2}.f32 h r r
cvt.rn.satfinite{,.relu}.{e4m3x2,e5m2x2}.f16x2 h r
cvt.rn{,.relu}.f16x2.{e4m3x2,e5m2x2} r h
cvt.pack.sat.{u16,s16}.s32 r r r
cvt.pack.sat.{u8,s8}.s32.b32 r r r r
cvta.{global,shared,local,const}.u64 d d
cvta.to.{global,shared,local,const}.u64 d d
cvta.param.u64 d d
isspacep.{global,shared,shared::cta,local,const,param} p d
ld{,.global,.shared,.local}.{u8,s8,b8,u16,s16,b16} h [d]
ld{,.global,.shared,.local}.{u8,s8,b8,u16,s16,b16,u32,s32,f32,b32} r [d+4]
ld{,.global,.shared,.local}.{u8,s8,u16,s16,u32,s32,u64,f64} d [d]
ld.const.u32 r [c+4]
ld.shared.u32 r [r]
ld.global.v2.{u32,f32} {r,r} [d]
ld.global.v4.{u32,f32} {r,r,_,r} [d]
ld.global.v2.{u64,f64} {d,d} [d]
ld.global.v4.{u8,b16} {h,h,h,h} [d]
ld{,.weak,.volatile}.global.u32 r [d]
ld.{relaxed,acquire}.{cta,cluster,gpu,sys}.global.u32 r [d]
ld.global{,.ca,.cg,.cs,.lu,.cv}.u32 r [d]
ld.global.nc{,.L1::no_allocate,.L1::evict_first}{,.L2::128B,.L2::256B}.v4.f32 {r,r,r,r} [d]
ld.global.L2::cache_hint.u32 r [d] d
ld.relaxed.sys.mmio.global.u32 r [d]
ldu.global.u32 r [d]
ldu.global.v4.f32 {r,r,r,r} [d]
st{,.global,.shared,.local}.{u8,b8,u16,b16} [d] h
st{,.global,.shared,.local}.{u8,u16,u32,f32,b32} [d] r
st{,.global,.shared,.local}.{u8,u16,u32,u64,f64} [d] d
st.global.v4.f32 [d] {r,r,r,r}
st.global.v2.u64 [d] {d,d}
st.{relaxed,release}.{cta,cluster,gpu,sys}.global.u32 [d] r
st.global{,.wb,.cg,.cs,.wt}.u32 [d] 1
st.volatile.shared.f32 [r] 0f3F800000
prefetch{,.global,.local}.{L1,L2} [d]
prefetch.global.L2::evict_last [d]
prefetchu.L1 [d]
discard.global.L2 [d] 128
applypriority.global.L2::evict_normal [d] 128
createpolicy.fractional.L2::evict_first.b64 d 0f3F800000
atom{,.global,.shared}{,.relaxed,.acquire,.release,.acq_rel}{,.cta,.gpu,.sys}.add.{u32,s32,f32} r [d] r
atom.add.{u64,f64} d [d] d
atom.{min,max}.{u32,s32} r [d] r
atom.{min,max}.{u64,s64} d [d] d
atom.{and,or,xor,exch}.b32 r [d] r
atom.{and,or,xor,exch}.b64 d [d] d
atom.{inc,dec}.u32 r [d] r
atom.cas.b16 h [d] h h
atom.cas.b32 r [d] r r
atom.cas.b64 d [d] d d
atom.add.noftz.{f16,bf16} h [d] h
atom.add.noftz.{f16x2,bf16x2} r [d] r
atom.global.{min,max}.noftz.{f16x2,bf16x2} r [d] r
red{,.global,.shared}{,.relaxed,.release}{,.cta,.gpu,.sys}.add.{u32,f32} [d] r
red.{min,max}.{u64,s64} [d] d
red.{and,or,xor}.b32 [d] r
red.{inc,dec}.u32 [d] r
red.add.noftz.{f16x2,bf16x2} [d] r
cp.async.ca.shared.global [r] [d] {4,8,16}
cp.async.ca.shared{,::cta}.global{,.L2::64B,.L2::128B,.L2::256B} [r] [d] 16 r
cp.async.cg.shared.global [r] [d] 16
cp.async.cg.shared.global [r] [d] 16 p
cp.async.cg.shared.global.L2::cache_hint [r] [d] 16 d
cp.async.commit_group
cp.async.wait_group 3
cp.async.wait_all
bar{,.cta}.sync 0
bar.sync r r
bar.arrive 1 64
bar.red.popc.u32 r 0 p
bar.red.{and,or}.pred p 0 64 !p
bar.warp.sync r
barrier{,.cta}.sync{,.aligned} 1 64
barrier.arrive{,.aligned} 1 64
barrier{,.cta}.red.popc{,.aligned}.u32 r 1 64 p
barrier.cluster.arrive{,.release,.relaxed}{,.aligned}
barrier.cluster.wait{,.acquire}{,.aligned}
membar.{cta,gl,sys}
fence{,.sc,.acq_rel}.{cta,cluster,gpu,sys}
fence.proxy.{alias,async}
shfl.sync.{up,down,bfly,idx}.b32 r|p r r r r
shfl.sync.{up,down,bfly,idx}.b32 r r 1 31 -1
shfl.{up,down,bfly,idx}.b32 r|p r 1 31
vote.sync.{all,any,uni}.pred p !p -1
vote.sync.ballot.b32 r p -1
vote.{all,any,uni}.pred p p
vote.ballot.b32 r p
match.any.sync.b32 r r -1
match.any.sync.b64 r d -1
match.all.sync.b32 r|p r -1
match.all.sync.b64 r|p d -1
redux.sync.{add,min,max}.{u32,s32} r r -1
redux.sync.{and,or,xor}.b32 r r -1
activemask.b32 r
elect.sync r|p -1
ldmatrix.sync.aligned.m8n8.x1{,.trans}{,.shared,.shared::cta}.b16 {r} [d]
ldmatrix.sync.aligned.m8n8.x2{,.trans}.shared.b16 {r,r} [r]
ldmatrix.sync.aligned.m8n8.x4{,.trans}.shared.b16 {r,r,r,r} [r]
stmatrix.sync.aligned.m8n8.x1{,.trans}{,.shared,.shared::cta}.b16 [d] {r}
stmatrix.sync.aligned.m8n8.x2{,.trans}.shared.b16 [r] {r,r}
stmatrix.sync.aligned.m8n8.x4{,.trans}.shared.b16 [r] {r,r,r,r}
movmatrix.sync.aligned.m8n8.trans.b16 r r
mma.sync.aligned.m16n8k16.row.col.f32.{e4m3,e5m2}.{e4m3,e5m2}.f32 {r,r,r,r} {r,r} {r} {r,r,r,r}
mma.sync.aligned.m16n8k32.row.col.f16.{e4m3,e5m2}.{e4m3,e5m2}.f16 {r,r} {r,r,r,r} {r,r} {r,r}
mma.sync.aligned.m8n8k16.row.col{,.satfinite}.s32.{s8,u8}.{s8,u8}.s32 {r,r} {r} {r} {r,r}
mma.sync.aligned.m16n8k64.row.col{,.satfinite}.s32.{s4,u4}.{s4,u4}.s32 {r,r,r,r} {r,r,r,r} {r,r} {r,r,r,r}
mma.sync.aligned.m8n8k4.{row,col}.{row,col}.f16.f16.f16.f16 {r,r,r,r} {r,r} {r,r} {r,r,r,r}
mma.sync.aligned.m8n8k4.{row,col}.{row,col}.f32.f16.f16.f32 {r,r,r,r,r,r,r,r} {r,r} {r,r} {r,r,r,r,r,r,r,r}
mma.sync.aligned.m8n8k4.row.col.f32.f16.f16.f16 {r,r,r,r,r,r,r,r} {r,r} {r,r} {r,r,r,r}
mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {d,d} {d} {d} {d,d}
mma.sync.aligned.m16n8k16.row.col.f64.f64.f64.f64 {d,d,d,d} {d,d,d,d,d,d,d,d} {d,d,d,d} {d,d,d,d}
bra{,.uni} L
brx.idx{,.uni} r T
call f
call{,.uni} (r) e (r)
call d () T1
ret{,.uni}
exit
trap
brkpt
nanosleep.u32 100
pmevent 3
pmevent.mask 3
griddepcontrol.{wait,launch_dependents}
setmaxnreg.{inc,dec}.sync.aligned.u32 128
mapa.u64 d d 0
mapa.shared::cluster.u32 r r 0
`

// instructionForms is every form of the table, one by one.
func instructionForms() []string {
	var forms []string
	for _, form := range strings.Split(strings.TrimSpace(formTable), "\n") {
		forms = append(forms, alternatives(form)...)
	}
	return forms
}

// formOperands separates the operands of a form by commas.
func formOperands(form string) string {
	name, operands, _ := strings.Cut(form, " ")
	return name + " " + strings.Join(strings.Fields(operands), ", ") + ";"
}

// TestCoverage decodes every form of every instruction that the simulator knows. What they compute is tested elsewhere; here an instruction is refused where
// it should not be.
func TestCoverage(t *testing.T) {
	forms := instructionForms()
	var text strings.Builder
	text.WriteString(".version 8.6\n.target sm_90a\n.address_size 64\n.global .u32 g[16];\n.const .u32 c[4] = {1, 2, 3, 4};\n" +
		".func f() { ret; }\n.func (.reg .b32 r) e(.reg .b32 x) { mov.b32 r, x; ret; }\n")
	for i, form := range forms {
		fmt.Fprintf(&text, ".entry k%d() { .reg .b8 b; .reg .b16 h; .reg .b32 r; .reg .b64 d; .reg .pred p; .shared .align 16 .b8 s[64];\n"+
			"T: .branchtargets L, L; T1: .callprototype _ ();\n%s L: ret; }\n", i, formOperands(form))
	}
	m, err := testGPU(t, Options{}).Load("forms", text.String())
	if err != nil {
		t.Fatal(err)
	}
	for i, form := range forms {
		if _, err := m.Entry(fmt.Sprintf("k%d", i)); err != nil {
			t.Errorf("%s: %v", form, err)
		}
	}
}

// alternatives lists the texts that a form with {a,b} in its name stands for. Braces of operands are PTX's own, but for those around numbers and around
// names of special registers.
func alternatives(form string) []string {
	open, end := strings.IndexByte(form, '{'), strings.IndexByte(form, '}')
	if open < 0 {
		return []string{form}
	}
	name, _, _ := strings.Cut(form, " ")
	inside := form[open+1 : end]
	var list []string
	if open > len(name) && strings.Trim(inside, "hrdbp_,") == "" {
		for _, rest := range alternatives(form[end+1:]) {
			list = append(list, form[:end+1]+rest)
		}
		return list
	}
	for _, choice := range strings.Split(inside, ",") {
		list = append(list, alternatives(form[:open]+choice+form[end+1:])...)
	}
	return list
}
