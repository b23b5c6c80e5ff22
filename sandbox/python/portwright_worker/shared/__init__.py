"""Modules that skillsets have as well."""
