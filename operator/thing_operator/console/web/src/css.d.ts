// esbuild takes them along; for the type checker they are nothing.
declare module "*.css";
