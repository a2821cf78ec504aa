"""The two kinds as pydantic models; the CRDs in crds/ are generated from them."""
