package fallback

const haveAssembly = true
